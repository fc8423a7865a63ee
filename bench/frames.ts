/**
 * The driver of the benches that decode frames of one message each: cases, each of the same frames read in several ways.
 *
 * CPU time; one way per process, the ways in turn within each round, medians over rounds. A decoder lives as long as its
 * process, as one does as long as its connection. Everything made escapes into a ring, or V8 would not make it. What the
 * ways make is compared before anything is timed, in processes of its own.
 */
import { execFileSync } from 'node:child_process'
import { createHash, type Hash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { OrderBook } from '../src/derive/order-book.ts'
import type { ConnectionContext, Decoder, Inbox } from '../src/feed/description.ts'
import { Book, type MarketEvent } from '../src/market/events.ts'
import { median, type Row, report, spread } from './table.ts'

const RING = 4_096
/** By the clock, as the compiler may be late, and of CPU time, as this process may get little of it. */
const WARM_UP_MS = 2_000
const WARM_UP_US = 1_500_000
const SAMPLES = 7
/** CPU time of a sample, at least. */
const SAMPLE_US = 15_000
/** Best levels of a side that are compared. */
const TOP = 10

/** Takes what was made of a frame. */
export type Keep = (value: unknown) => void

/** One way to read frames. */
export interface Way {
  /** As it stands in the table. */
  readonly title: string
  open(keep: Keep): Reader | Promise<Reader>
  /** What it makes, in forms by name: ways that have a form of the same name must make the same. */
  readonly forms?: { readonly [name: string]: (value: never) => unknown }
}

type Reader = (frame: Buffer) => void

/** A row of the table: how much faster than `than` one way is. */
export interface Comparison {
  readonly way: string
  readonly than: string
  /** The least ratio promised. */
  readonly budget?: number
}

/** Frames, and ways to read them. */
export interface Case {
  readonly name: string
  /** How many, at most as many as the ring is long. */
  frames(random: Random): Buffer[]
  readonly ways: { readonly [name: string]: Way }
  readonly rows: readonly Comparison[]
  /** Numbers that rise with time: behind these marks, from one pass over the frames to the next, by so much. */
  readonly rising?: { readonly [mark: string]: number }
}

interface Child {
  readonly ns: number
  readonly digests: { readonly [form: string]: string }
}

export interface FramesOptions {
  readonly rounds?: number
  readonly json?: string
}

/** Runs all cases of a bench, whose file has to call {@link answer} too, and prints the table. */
export function compare(url: string, cases: readonly Case[], options: FramesOptions): void {
  const { rounds = 3, json } = options
  const rows: Row[] = []
  for (const { name, ways, rows: comparisons } of cases) {
    const child = (way: string, task: Task): Child => {
      // Its own flags only: one handed on, such as -e, would make the child start children.
      const flags = ['--min-semi-space-size=64', '--max-semi-space-size=64']
      const args = [...flags, fileURLToPath(url), name, way, task]
      return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
    }
    const names = Object.keys(ways)
    checkEqual(
      name,
      names.map(way => [way, child(way, 'show').digests]),
    )
    const found = new Map<string, number[]>(names.map(way => [way, []]))
    for (let round = 0; round < rounds; round++) {
      for (const way of names) found.get(way)!.push(child(way, 'time').ns)
    }
    for (const { way, than, budget } of comparisons) {
      const [ours, theirs] = [found.get(way)!, median(found.get(than)!)]
      rows.push({
        ...{ name: way === 'kept' ? `${name}, kept` : name, unit: 'ns/frame' },
        ...{ value: median(ours), peer: ways[than]!.title, peerValue: theirs },
        ...{ ratio: theirs / median(ours), spread: spread(ours), rounds },
        ...(budget !== undefined && { budget }),
      })
    }
  }
  report(rows, json)
}

type Task = 'time' | 'show'

function checkEqual(name: string, all: readonly (readonly [string, Child['digests']])[]): void {
  const first = new Map<string, readonly [way: string, digest: string]>()
  for (const [way, digests] of all) {
    for (const [form, digest] of Object.entries(digests)) {
      const other = first.get(form)
      if (!other) first.set(form, [way, digest])
      else if (other[1] !== digest) {
        throw new Error(`${name}: the ${form} of ${way} and ${other[0]} differ`)
      }
    }
  }
}

/** Does what {@link compare} asks of a process of its own, where this is one. */
export async function answer(url: string, cases: readonly Case[]): Promise<void> {
  const [, script, name, wayName, task] = process.argv
  if (script !== fileURLToPath(url)) return
  const it = cases.find(one => one.name === name)!
  const way = it.ways[wayName!]!
  const frames = it.frames(seededRandom(1))
  const child = task === 'show' ? await show(way, frames) : await time(way, frames, it.rising)
  process.stdout.write(JSON.stringify(child))
  // A peer may have timers of its own.
  process.exit(0)
}

async function show({ open, forms = {} }: Way, frames: readonly Buffer[]): Promise<Child> {
  const hashes = new Map<string, Hash>(Object.keys(forms).map(form => [form, createHash('sha256')]))
  let count = 0
  const read = await open(value => {
    count++
    for (const [form, hash] of hashes) hash.update(JSON.stringify(forms[form]!(value as never)))
  })
  for (const frame of frames) read(frame)
  if (count < frames.length) throw new Error(`${count} values of ${frames.length} frames`)
  const digests = Object.fromEntries([...hashes].map(([form, it]) => [form, it.digest('hex')]))
  return { ns: 0, digests }
}

const ring: unknown[] = new Array(RING).fill(undefined)
let at = 0

async function time({ open }: Way, frames: Buffer[], rising: Case['rising'] = {}): Promise<Child> {
  const read = await open(value => {
    ring[at++ & (RING - 1)] = value
  })
  const numbers = risingNumbers(frames, rising)
  /** One pass over the frames; its CPU time in microseconds. */
  const pass = () => {
    const start = process.cpuUsage()
    for (const frame of frames) read(frame)
    const { user, system } = process.cpuUsage(start)
    for (const number of numbers) raise(number)
    return user + system
  }
  const end = performance.now() + WARM_UP_MS
  for (let used = 0; used < WARM_UP_US || performance.now() < end; ) used += pass()
  const samples = Array.from({ length: SAMPLES }, () => {
    let [used, passes] = [0, 0]
    for (; used < SAMPLE_US; passes++) used += pass()
    return (used * 1_000) / (passes * frames.length)
  })
  return { ns: median(samples), digests: {} }
}

interface RisingNumber {
  readonly frame: Buffer
  /** Its last digit. */
  readonly last: number
  readonly step: number
}

function risingNumbers(
  frames: readonly Buffer[],
  rising: NonNullable<Case['rising']>,
): RisingNumber[] {
  return Object.entries(rising).flatMap(([mark, step]) =>
    frames.flatMap(frame =>
      [...frame.toString('latin1').matchAll(new RegExp(`${mark}\\d+`, 'g'))].map(match => ({
        ...{ frame, step, last: match.index + match[0].length - 1 },
      })),
    ),
  )
}

/** Where it stands, so that the frame stays as long as it is. */
function raise({ frame, last, step }: RisingNumber): void {
  let rest = step
  for (let i = last; rest > 0; i--) {
    const digit = frame[i]! - 48
    if (!(digit >= 0 && digit <= 9)) throw new Error('a number has become too long for its place')
    const sum = digit + rest
    frame[i] = 48 + (sum % 10)
    rest = Math.floor(sum / 10)
  }
}

/** `JSON.parse` alone. */
export const PARSING: Way = {
  title: 'JSON.parse',
  open: keep => frame => keep(JSON.parse(frame.toString())),
}

/** One of our decoders. `forms` beside its events as they are. */
export function decoding(
  title: string,
  make: () => Decoder | Promise<Decoder>,
  forms: Way['forms'] = {},
): Way {
  return {
    title,
    forms: { events: (event: MarketEvent) => event, ...forms },
    async open(keep) {
      const decoder = await make()
      const inbox: Inbox = { event: keep, control: fail, malformed: fail, unknown: fail }
      return frame => decoder.decode(frame, false, 1, inbox)
    },
  }
}

/** A decoder of books, and behind it an order book that is kept. */
export function keeping(make: () => Decoder | Promise<Decoder>): Way {
  return {
    title: 'kept',
    forms: { books: (book: OrderBook) => [book.bids(TOP), book.asks(TOP)] },
    async open(keep) {
      const decoder = await make()
      const book = new OrderBook('', 'bench')
      // Where the first frame is no snapshot, REST has given one: of an empty book.
      const none = undefined
      book.apply(new Book('', 'bench', 0, 0, 0, 0, [], [], true, none, none))
      const event = (event: MarketEvent) => {
        if (!book.apply(event as Book)) fail(book.unsynced)
        keep(book)
      }
      const inbox: Inbox = { event, control: fail, malformed: fail, unknown: fail }
      return frame => decoder.decode(frame, false, 1, inbox)
    },
  }
}

/** The form of a book of {@link keeping}. */
export const topOf = (levels: readonly (readonly number[])[]) =>
  levels.slice(0, TOP).map(([price, size]) => [price, size])

const fail = (what: unknown) => {
  throw new Error(`${JSON.stringify(what)} in a frame that is right`)
}

/** A connection that is none, where `mask` is wanted of each symbol. */
export function contextOf(mask: (symbol: string) => number): ConnectionContext {
  return {
    ...{ source: 'bench', clock: systemClock(), log: silentLog },
    interest: { revision: 1, mask },
    signal: new AbortController().signal,
    emit: () => {},
    control: fail,
  }
}
