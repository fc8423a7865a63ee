// Ways to record events in a file, all alike but for the form: the events of a turn of the event loop together, the
// next ones when those before have been written, by the thread pool.
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Packr, Unpackr } from 'msgpackr'
import { silentLog } from '../src/base/log.ts'
import { createEvent, type EventFields, type MarketEvent, stampSeq } from '../src/market/events.ts'
import { decodeEvent, encodeEvent } from '../src/market/json.ts'
import { type DiskFile, systemDisk } from '../src/tape/file/disk.ts'
import { openFileTape } from '../src/tape/file/file.ts'
import { followFileTape } from '../src/tape/file/follow.ts'

export interface Recorder {
  append(batch: readonly MarketEvent[]): void
  /** How many events are in the file. */
  readonly written: number
  close(): Promise<void>
}

export const FORMS = ['tickwire', 'NDJSON', 'msgpackr'] as const
export type Form = (typeof FORMS)[number]

/** Most events written at once, as on the tape. */
const MOST = 4_096
const CHUNK = 256 * 1_024

export async function openRecorder(form: Form, folder: string): Promise<Recorder> {
  if (form !== 'tickwire') {
    return new Pump(await systemDisk.create(join(folder, 'events')), encoderOf(form))
  }
  const tape = await openFileTape({ folder, segmentBytes: 2 ** 31, log: silentLog })
  return {
    append: batch => tape.append(batch),
    get written() {
      return tape.written.seq
    },
    close: () => tape.close(),
  }
}

type Encode = (events: readonly MarketEvent[]) => Uint8Array

function encoderOf(form: Form): Encode {
  if (form === 'NDJSON') {
    return events => {
      let text = ''
      for (const event of events) text += `${encodeEvent(event)}\n`
      return Buffer.from(text)
    }
  }
  const packr = new Packr({ structures: STRUCTURES })
  return events => {
    const packed = packr.pack(events)
    const bytes = Buffer.allocUnsafe(packed.length + 4)
    bytes.writeUInt32LE(packed.length)
    bytes.set(packed, 4)
    return bytes
  }
}

/** The shapes of records, known to writer and reader: kinder than to have them in each block. */
const STRUCTURES: string[][] = ['trade', 'quote'].map(type =>
  Object.keys(createEvent({ type, symbol: 'A', timestamp: 0 } as EventFields)),
)

class Pump implements Recorder {
  readonly #file: DiskFile
  readonly #encode: Encode
  #waiting: MarketEvent[] = []
  #busy = false
  #size = 0
  #last = 0
  written = 0

  constructor(file: DiskFile, encode: Encode) {
    this.#file = file
    this.#encode = encode
  }

  append(batch: readonly MarketEvent[]): void {
    for (const event of batch) {
      stampSeq(event, ++this.#last)
      this.#waiting.push(event)
    }
    if (!this.#busy) {
      this.#busy = true
      setImmediate(() => this.#write())
    }
  }

  async close(): Promise<void> {
    while (this.written < this.#last) await new Promise(resolve => setImmediate(resolve))
    this.#file.close()
  }

  #write(): void {
    const events = this.#waiting.length > MOST ? this.#waiting.slice(0, MOST) : this.#waiting
    this.#waiting = this.#waiting.length > MOST ? this.#waiting.slice(MOST) : []
    const bytes = this.#encode(events)
    this.#file.write(bytes, bytes.length, this.#size, error => {
      if (error) throw error
      this.#size += bytes.length
      this.written += events.length
      if (this.#waiting.length > 0) this.#write()
      else this.#busy = false
    })
  }
}

export const READINGS = [...FORMS, 'JSON.parse alone'] as const
export type Reading = (typeof READINGS)[number]

/** Reads all that was recorded; `each` gets batches of what the form gives. */
export async function readAll(
  reading: Reading,
  folder: string,
  each: (batch: readonly unknown[]) => void,
): Promise<void> {
  if (reading === 'tickwire') {
    const tape = await followFileTape({ folder })
    for await (const batch of tape.read({ from: 'start', live: false })) each(batch)
    await tape.close()
    return
  }
  const file = await open(join(folder, 'events'))
  if (reading === 'msgpackr') await readPacked(file, each)
  else await readLines(file, reading === 'NDJSON' ? readEvent : JSON.parse, each)
  await file.close()
}

/** What a reading gives, as text that is the same for equal events. */
export function textOf(reading: Reading, event: unknown): string {
  if (reading === 'JSON.parse alone') return encodeEvent(decodeEvent(event))
  return encodeEvent(
    reading === 'msgpackr' ? createEvent(event as EventFields) : (event as MarketEvent),
  )
}

const readEvent = (line: string) => decodeEvent(JSON.parse(line))

async function readLines(
  file: FileHandle,
  read: (line: string) => unknown,
  each: (batch: readonly unknown[]) => void,
): Promise<void> {
  const bytes = Buffer.allocUnsafe(CHUNK)
  let rest = ''
  for (;;) {
    const { bytesRead } = await file.read(bytes, 0, CHUNK)
    if (bytesRead === 0) return
    // The events are in ASCII: no character is cut.
    const lines = (rest + bytes.toString('latin1', 0, bytesRead)).split('\n')
    rest = lines.pop()!
    each(lines.map(read))
  }
}

async function readPacked(
  file: FileHandle,
  each: (batch: readonly unknown[]) => void,
): Promise<void> {
  const unpackr = new Unpackr({ structures: STRUCTURES })
  let held = Buffer.alloc(0)
  for (;;) {
    const bytes = Buffer.allocUnsafe(held.length + CHUNK)
    held.copy(bytes)
    const { bytesRead } = await file.read(bytes, held.length, CHUNK)
    const end = held.length + bytesRead
    let at = 0
    while (end - at >= 4 && end - at - 4 >= bytes.readUInt32LE(at)) {
      const to = at + 4 + bytes.readUInt32LE(at)
      each(unpackr.unpack(bytes.subarray(at + 4, to)) as unknown[])
      at = to
    }
    held = bytes.subarray(at, end)
    if (bytesRead === 0) return
  }
}

/** Bytes of all files of a recording. */
export async function recordedFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder)
  return names.filter(name => name === 'events' || name.endsWith('.tape')).map(n => join(folder, n))
}
