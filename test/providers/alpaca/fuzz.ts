/**
 * Holds the scanners against the plain decoders on mutated frames: the same events, bit for bit, or the same refusal.
 *
 *     node --import tsx test/providers/alpaca/fuzz.ts --rounds 10000000 --seed 1
 *
 * Each frame has a seed of its own; a failure names it, and `--rounds 1 --seed THAT` repeats it.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../../src/base/random.ts'
import type { Inbox } from '../../../src/feed/description.ts'
import type { Interest } from '../../../src/feed/provider.ts'
import type { Reading } from '../../../src/providers/alpaca/messages.ts'
import {
  type Parsed,
  parseJson,
  parseMsgpack,
  readMessages,
} from '../../../src/providers/alpaca/plain.ts'
import { JsonScanner } from '../../../src/providers/alpaca/scan-json.ts'
import { MsgpackScanner } from '../../../src/providers/alpaca/scan-msgpack.ts'
import { Mutator } from './mutate.ts'
import { plain, Recorder, type Report, readingOf, same } from './record.ts'

export interface FuzzResult {
  /** One line each, with the seed that repeats it; at most ten. */
  readonly failures: readonly string[]
  /** So that a run that compared nothing shows. */
  readonly events: number
  readonly refused: number
  readonly fallbacks: number
}

/** Half of the symbols, by their first letter, for one kind only. */
const SOME: Interest = { revision: 1, mask: symbol => (symbol.charCodeAt(0) % 2 ? -1 : 1) }

/** Runs `rounds` frames of a codec from `seed` on. */
export function fuzz(codec: 'json' | 'msgpack', rounds: number, seed: number): FuzzResult {
  const all = readingOf()
  const some = readingOf({ interest: SOME })
  const Fast = codec === 'json' ? JsonScanner : MsgpackScanner
  const parse = codec === 'json' ? parseJson : parseMsgpack
  const [fastAll, fastSome] = [new Fast(all), new Fast(some)]
  // Thousands of frames do not parse, and nobody looks at the stack of those errors.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const failures: string[] = []
  let events = 0
  let refused = 0
  for (let round = 0; round < rounds && failures.length < 10; round++) {
    const random = seededRandom(seed + round)
    const frame = new Mutator(random)[codec]()
    const parsed = parse(frame)
    const expected = record(inbox => read(parsed, all, inbox))
    events += expected.length
    const fault = difference(
      record(inbox => fastAll.decode(frame, false, 1, inbox)),
      expected,
    )
    if (fault) failures.push(`seed ${seed + round}: ${fault}\n${show(frame, codec)}`)
    if (typeof parsed === 'string') refused++
    if (round % 2 === 0) continue
    const narrow = record(inbox => fastSome.decode(frame, false, 1, inbox))
    if (typeof parsed !== 'string' && (codec === 'msgpack' || !repeats(frame, parsed))) {
      // What nobody wants is only skipped, not checked: of a frame that does not parse, the rest may come; of two
      // symbols in one message the first decides.
      const fault = difference(
        narrow,
        record(inbox => read(parsed, some, inbox)),
      )
      if (fault) failures.push(`seed ${seed + round}, some: ${fault}\n${show(frame, codec)}`)
    }
  }
  Error.stackTraceLimit = stackTraceLimit
  return { failures, events, refused, fallbacks: fastAll.fallbacks }
}

const recorder = new Recorder()

function record(decode: (inbox: Inbox) => void): Report[] {
  recorder.reports = []
  decode(recorder)
  return recorder.reports
}

/** What the plain decoders do with a frame, once it is parsed or refused. */
function read(parsed: Parsed | string, reading: Reading, inbox: Inbox): void {
  if (typeof parsed === 'string') inbox.malformed(parsed)
  else readMessages(parsed, reading, 1, inbox)
}

/** Whether a message may have two symbols or types. */
function repeats(frame: Uint8Array, { list }: Parsed): boolean {
  const text = Buffer.from(frame).toString('latin1')
  return ['S', 'T'].some(key => {
    const written = text.match(new RegExp(`"${key}"\\s*:`, 'g'))?.length ?? 0
    return written > list.filter(message => Object.hasOwn(Object(message), key)).length
  })
}

function difference(got: readonly Report[], expected: readonly Report[]): string | undefined {
  if (same(got, expected)) return undefined
  return `scanner ${JSON.stringify(plain(got))}\n  plain ${JSON.stringify(plain(expected))}`
}

function show(frame: Uint8Array, codec: string): string {
  const bytes = Buffer.from(frame)
  return `  frame ${codec === 'json' ? bytes.toString('latin1') : bytes.toString('hex')}`
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '200000' },
      seed: { type: 'string', default: '1' },
      codec: { type: 'string' },
    },
  })
  const [rounds, seed] = [Number(values.rounds), Number(values.seed)]
  if (!(rounds > 0) || !Number.isSafeInteger(seed)) {
    console.error('usage: fuzz.ts --rounds N --seed S [--codec json|msgpack]')
    process.exit(2)
  }
  let failed = false
  for (const codec of ['json', 'msgpack'] as const) {
    if (values.codec !== undefined && values.codec !== codec) continue
    const { failures, events, refused, fallbacks } = fuzz(codec, rounds, seed)
    for (const failure of failures) console.log(failure)
    failed ||= failures.length > 0
    const verdict = failures.length === 0 ? 'all the same' : `${failures.length} differ`
    console.log(
      `${codec}: ${rounds} frames from seed ${seed}: ${verdict} ` +
        `(${events} reports, ${refused} frames refused, ${fallbacks} fall-backs)`,
    )
  }
  process.exit(failed ? 1 : 0)
}
