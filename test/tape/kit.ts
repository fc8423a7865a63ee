// What the tests of the tape in files share: folders, events, a disk that misbehaves, and what a reading has to add up to.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Log, silentLog } from '../../src/base/log.ts'
import type { ReadOptions } from '../../src/flow/contracts.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { BlockReader } from '../../src/tape/file/blocks.ts'
import { type Disk, type DiskFile, systemDisk } from '../../src/tape/file/disk.ts'
import { type FileTape, type FileTapeOptions, openFileTape } from '../../src/tape/file/file.ts'
import { BLOCK, type BlockType, HEADER_BYTES } from '../../src/tape/file/format.ts'
import type { TapeReader } from '../../src/tape/tape.ts'
import { handClock } from '../../src/testing/clock.ts'

export const START = Date.UTC(2024, 0, 15, 14, 30)

const endings = new WeakMap<TestContext, (() => unknown)[]>()

/** Does something at the end of a test: what was begun last ends first. */
export function atEnd(t: TestContext, end: () => unknown): void {
  const known = endings.get(t)
  if (known) {
    known.push(end)
    return
  }
  const list = [end]
  endings.set(t, list)
  t.after(async () => {
    for (const each of list.reverse()) await each()
  })
}

/** A folder that goes with the test. */
export function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-tape-'))
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What a crash of the process would leave of a tape. */
export function copyOf(t: TestContext, folder: string): string {
  const copy = join(tempFolder(t), 'tape')
  for (let tries = 1; ; tries++) {
    try {
      cpSync(folder, copy, { recursive: true })
      break
    } catch (error) {
      // A file has been renamed or removed meanwhile, as the tape goes on.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 20) throw error
      rmSync(copy, { recursive: true, force: true })
    }
  }
  rmSync(join(copy, 'writer.lease'), { force: true })
  return copy
}

/** Opens a tape that is closed with the test, on a clock nobody turns. */
export async function openTape(
  t: TestContext,
  folder: string,
  options: Partial<FileTapeOptions> = {},
): Promise<FileTape> {
  const clock = handClock(START)
  const tape = await openFileTape({ folder, clock, log: silentLog, capacity: 64, ...options })
  atEnd(t, () => tape.close())
  return tape
}

export const trade = (n: number, more: Partial<{ symbol: string; receivedAt: number }> = {}) =>
  createEvent({
    ...{ type: 'trade', symbol: 'SPY', source: 's', timestamp: START + n, receivedAt: START + n },
    ...{ price: 100 + n / 100, size: n },
    ...more,
  })

/** Trades that tell by their size which they are. */
export const trades = (from: number, count: number, symbol = 'SPY') =>
  Array.from({ length: count }, (_, i) => trade(from + i, { symbol }))

export const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** Turns of the event loop until something is so. */
export async function until(so: () => boolean, what = 'what was waited for'): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!so()) {
    if (performance.now() > deadline) assert.fail(`${what} never happened`)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}

export const isWritten = (tape: FileTape) =>
  until(() => tape.written.seq === tape.end.seq, 'everything written')

/** Appends batches, each of them a block of its own. */
export async function appendBlocks(
  tape: FileTape,
  sizes: readonly number[],
  make: (n: number) => MarketEvent = trade,
): Promise<void> {
  for (const size of sizes) {
    const from = tape.end.seq + 1
    tape.append(Array.from({ length: size }, (_, i) => make(from + i)))
    await isWritten(tape)
  }
}

/** Everything there is to read now. */
export async function readAll(tape: TapeReader, options: ReadOptions = {}): Promise<MarketEvent[]> {
  const seen: MarketEvent[] = []
  for await (const batch of tape.read({ from: 'start', live: false, ...options })) {
    assert.ok(batch.length > 0, 'a batch is never empty')
    seen.push(...batch)
  }
  return seen
}

export const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

export const numbersOf = (events: readonly MarketEvent[]) =>
  events.flatMap(event => event.seq ?? [])

/** Events as they were given, without what a tape adds. */
export const plain = (events: readonly MarketEvent[]) =>
  events.map(({ ...event }) => {
    delete (event as { seq?: number }).seq
    return event
  })

export interface Range {
  readonly from: number
  readonly to: number
}

/** The ranges that notices of a name explain, in order. */
export const rangesOf = (events: readonly MarketEvent[], name: string): Range[] =>
  events.flatMap(event =>
    event.type === 'notice' && event.notice === name ? [{ from: event.from!, to: event.to! }] : [],
  )

/** Numbers come in order, none twice, and one that is missing stands in a `skipped` or `lost` notice. */
export function assertExplained(events: readonly MarketEvent[], first = 1): void {
  const numbers = numbersOf(events)
  for (let i = 1; i < numbers.length; i++) {
    assert.ok(numbers[i]! > numbers[i - 1]!, `${numbers[i]} behind ${numbers[i - 1]}`)
  }
  const told = [...rangesOf(events, 'skipped'), ...rangesOf(events, 'lost')]
  let next = first
  for (const number of numbers) {
    for (; next < number; next++) {
      const explained = told.some(({ from, to }) => from <= next && next <= to)
      assert.ok(explained, `nobody says why ${next} is missing`)
    }
    next = number + 1
  }
  const held = new Set(numbers)
  for (const { from, to } of rangesOf(events, 'skipped')) {
    for (let n = from; n <= to; n++) assert.ok(!held.has(n), `${n} is skipped, and there`)
  }
}

export const filesOf = (folder: string) =>
  readdirSync(folder)
    .filter(name => name.endsWith('.tape'))
    .sort()
    .map(name => join(folder, name))

export interface Place {
  readonly type: BlockType
  readonly offset: number
  readonly end: number
}

/** Where the blocks of a file stand. */
export async function blocksOf(path: string): Promise<Place[]> {
  const blocks = await BlockReader.open(path)
  const places: Place[] = []
  for (let block = await blocks.next(); block; block = await blocks.next()) {
    places.push({ type: block.type, offset: block.offset, end: blocks.offset })
  }
  await blocks.close()
  return places
}

/** Changes the bytes of a file. */
export function change(path: string, how: (bytes: Buffer) => Buffer | undefined): void {
  const bytes = readFileSync(path)
  writeFileSync(path, how(bytes) ?? bytes)
}

/** Turns bits in the middle of a block. */
export function breakBlock(path: string, { offset, end }: Place): void {
  change(path, bytes => {
    bytes[(offset + end) >> 1]! ^= 0xff
    return bytes
  })
}

export const isEvents = ({ type }: Place) => type !== BLOCK.index
export { HEADER_BYTES }

type Operation = 'create' | 'write' | 'sync' | 'truncate' | 'replace' | 'remove'

/** The machine's disk, which refuses or waits on request. */
export class FakeDisk implements Disk {
  /** What fails, and with which code of the system. */
  readonly failing = new Map<Operation, string>()
  /** What waits for {@link go}. */
  readonly held = new Set<Operation>()
  readonly done: Operation[] = []
  #waiting: (() => void)[] = []

  get waiting(): number {
    return this.#waiting.length
  }

  fail(code: string, ...operations: Operation[]): void {
    for (const operation of operations) this.failing.set(operation, code)
  }

  heal(): void {
    this.failing.clear()
  }

  hold(...operations: Operation[]): void {
    for (const operation of operations) this.held.add(operation)
  }

  /** Lets go of what waits; what comes is not held any more. */
  go(): void {
    this.held.clear()
    for (const go of this.#waiting.splice(0)) go()
  }

  /** Lets go of what waits now, and holds what comes. */
  step(): void {
    for (const go of this.#waiting.splice(0)) go()
  }

  async create(path: string): Promise<DiskFile> {
    await this.#pass('create')
    const file = await systemDisk.create(path)
    return {
      write: (bytes, length, at, done) => {
        this.#pass('write').then(
          () => file.write(bytes, length, at, done),
          // A full disk takes a part of it.
          error => file.write(bytes, length >> 1, at, () => done(error)),
        )
      },
      sync: async () => {
        await this.#pass('sync')
        await file.sync()
      },
      truncate: async size => {
        await this.#pass('truncate')
        await file.truncate(size)
      },
      close: () => file.close(),
    }
  }

  async replace(path: string, content: string | Uint8Array): Promise<void> {
    await this.#pass('replace', 'later')
    await systemDisk.replace(path, content)
    this.done.push('replace')
  }

  async remove(path: string): Promise<void> {
    await this.#pass('remove')
    await systemDisk.remove(path)
  }

  async #pass(operation: Operation, counted: 'now' | 'later' = 'now'): Promise<void> {
    if (this.held.has(operation)) {
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
    const code = this.failing.get(operation)
    if (code) throw Object.assign(new Error(`${code}: ${operation}`), { code })
    if (counted === 'now') this.done.push(operation)
  }
}

/** A log that keeps its warnings and errors. */
export function keptLog(lines: string[]): Log {
  const keep = (fields: object, message: string) => {
    lines.push(`${message} ${JSON.stringify(fields)}`)
  }
  return { ...silentLog, warn: keep, error: keep }
}
