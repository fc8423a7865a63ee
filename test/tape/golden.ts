// The tapes of format version 1 under test/fixtures/tape. They stay as they are: a later format gets folders of its own.
// To make them anew before a version is released: npx tsx test/tape/golden.ts write
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { silentLog } from '../../src/base/log.ts'
import { EVENT_TYPES } from '../../src/market/events.ts'
import { encodeEvent, parseEvent } from '../../src/market/json.ts'
import { compactTape } from '../../src/tape/file/compact.ts'
import { openFileTape } from '../../src/tape/file/file.ts'
import { handClock } from '../../src/testing/clock.ts'
import { SAMPLES } from '../market/samples.ts'

const HOME = fileURLToPath(new URL('../fixtures/tape/', import.meta.url))

export const FORMS = ['rows', 'columns'] as const

export const goldenFolder = (form: (typeof FORMS)[number]) => join(HOME, `v1-${form}`)
export const goldenEvents = () => readFileSync(join(HOME, 'v1.ndjson'), 'utf8')

async function write(): Promise<void> {
  for (const form of FORMS) {
    const folder = goldenFolder(form)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    const tape = await openFileTape({ folder, clock: handClock(), log: silentLog })
    const text: string[] = []
    for (const type of EVENT_TYPES) {
      const events = SAMPLES[type].map(sample => parseEvent(sample))
      tape.append(events)
      // Each pair in a block of its own.
      while (tape.written.seq < tape.end.seq) await new Promise(resolve => setTimeout(resolve, 1))
      text.push(...events.map(event => encodeEvent(event)))
    }
    await tape.close()
    if (form === 'columns') await compactTape(folder, silentLog)
    writeFileSync(join(HOME, 'v1.ndjson'), `${text.join('\n')}\n`)
  }
}

if (process.argv[2] === 'write') await write()
