// `npm run prove -- resume`: a gateway under load, and clients that are cut off, die, stall and come back at random moments,
// some of them to another life of the gateway. In the end each has had exactly what the tape has of its topics: everything
// once, in order, or told to the number that it is not there any more.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import { type Random, seededRandom } from '../src/base/random.ts'
import { type Feed, openFeed } from '../src/feed/feed.ts'
import type { ReadOptions } from '../src/flow/contracts.ts'
import type { Access, GatewayContext } from '../src/gateway/context.ts'
import type { Hub } from '../src/gateway/hub.ts'
import { type Gateway, openGateway } from '../src/gateway/serve.ts'
import type { EventType, MarketEvent } from '../src/market/events.ts'
import { encodeEvent } from '../src/market/json.ts'
import { simulated } from '../src/providers/simulated/index.ts'
import type { Encoding, StreamRequest } from '../src/providers/tickwire/messages.ts'
import { type Disk, systemDisk } from '../src/tape/file/disk.ts'
import { openFileTape } from '../src/tape/file/file.ts'
import { memoryTape } from '../src/tape/memory.ts'
import type { Tape } from '../src/tape/tape.ts'
import { type Range, ResumingReader } from './resume-client.ts'

/** What resuming hangs on, taken away. */
export const MUTATIONS = ['position', 'join', 'skipped', 'written']

export interface RoundOptions {
  readonly without?: string | undefined
}

const SYMBOLS = ['SPY', 'TSLA', 'AAPL', 'MSFT', 'NVDA', 'BTC/USD', 'ETH/USD', 'QQQ']
const KINDS = ['trade', 'quote', 'book', 'bar', 'status'] as const
const ENCODINGS: readonly Encoding[] = ['json', 'msgpack', 'blocks']
const READERS = 10
const RATE = 8_000
/** How long a client may be away, ms: longer than the hub and a tape in memory remember. */
const AWAY_MS = 900
/** How long there is load, ms. */
const LOAD_MS = 1_200
/** How long it may take until all have everything, ms. */
const SETTLE_MS = 30_000
/** Events a tape in memory keeps: few enough that who is away for long misses some. */
const CAPACITY = 1_024

/** Faults of a round; none when it holds. */
export async function round(seed: number, { without }: RoundOptions = {}): Promise<string[]> {
  const random = seededRandom(seed)
  const folder = mkdtempSync(join(tmpdir(), 'resume-'))
  const isOnDisk = without === 'written' || (without !== 'skipped' && random() < 0.6)
  const world = new World(folder, isOnDisk, random, without)
  try {
    await world.open()
    await world.load()
    return await world.judge()
  } finally {
    await world.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

class World {
  /** All that was ever appended, by number. */
  readonly #all = new Map<number, MarketEvent>()
  readonly #readers: ResumingReader[] = []
  readonly #faults: string[] = []
  readonly #folder: string
  readonly #isOnDisk: boolean
  /** Of the tape on disk: with few events in memory a slow disk loses some. */
  readonly #capacity: number | undefined
  readonly #random: Random
  readonly #without: string | undefined
  #tape!: Tape
  #feed!: Feed
  #gateway!: Gateway

  constructor(folder: string, isOnDisk: boolean, random: Random, without: string | undefined) {
    this.#folder = folder
    this.#isOnDisk = isOnDisk
    this.#capacity = without !== 'written' && random() < 0.3 ? CAPACITY : undefined
    this.#random = random
    this.#without = without
  }

  async open(): Promise<void> {
    const clock = systemClock()
    const tape: Tape = this.#isOnDisk
      ? await openFileTape({
          ...{ folder: join(this.#folder, 'tape'), clock, log: silentLog },
          ...{ disk: slowDisk(this.#random), ...(this.#capacity && { capacity: this.#capacity }) },
        })
      : memoryTape({ capacity: CAPACITY, clock })
    const provider = simulated({ rate: RATE, seed: Math.floor(this.#random() * 1e6) })
    const feed = openFeed(provider, { clock, log: silentLog, leases: false })
    feed.pipe(tape)
    void this.#remember(tape)
    this.#tape = tape
    this.#feed = feed
    const context: GatewayContext = {
      ...{ tape: this.#mutated(tape), history: undefined, clock, log: silentLog },
      ...{ stores: () => [], ledger: () => [], isRecording: () => this.#isOnDisk },
      feeds: [Object.assign(feed, { provider })],
    }
    this.#gateway = await openGateway(context, {
      ...{ port: 0, access: OPEN, version: '0', lingerMs: 50 },
      http: () => ({ listener: (_, response) => void response.writeHead(404).end(), close() {} }),
    })
    if (this.#without === 'join') (this.#gateway.inside.hub as Mutable<Hub>).since = () => []
    // Somebody always wants everything, so that the tape goes on whoever comes and goes.
    await feed.subscribe({ trades: '*', quotes: '*', books: SYMBOLS, statuses: '*' })
  }

  /** A reader that is never away: what it sees is what there was. */
  async #remember(tape: Tape): Promise<void> {
    for await (const batch of tape.read({ from: tape.end })) {
      for (const event of batch) {
        if (event.seq === undefined)
          this.#faults.push(`the proof itself missed some: ${event.type}`)
        else this.#all.set(event.seq, event)
      }
    }
  }

  async load(): Promise<void> {
    for (let i = 0; i < READERS; i++) this.#readers.push(this.#reader(i))
    const restarts = this.#isOnDisk && this.#random() < 0.5 ? [this.#random() * LOAD_MS] : []
    // What a disk that does not keep up has not taken was told, and a kill takes it.
    const kills = this.#isOnDisk && !this.#capacity ? [this.#random() * LOAD_MS] : []
    const start = performance.now()
    while (performance.now() - start < LOAD_MS) {
      await sleep(this.#random() * 12)
      const elapsed = performance.now() - start
      if (restarts.length > 0 && elapsed > restarts[0]!) await this.#restart(restarts.pop()!)
      if (kills.length > 0 && elapsed > kills[0]!) await this.#look(kills.pop()!)
      const reader = this.#readers[Math.floor(this.#random() * this.#readers.length)]!
      const what = this.#random()
      if (what < 0.4) reader.cut()
      else if (what < 0.6) reader.die(this.#random() ** 3 * AWAY_MS)
      else if (what < 0.7) reader.stall(this.#random() * 300)
    }
    for (const reader of this.#readers) reader.come()
    await this.#feed.close()
  }

  async judge(): Promise<string[]> {
    const { id } = this.#tape
    const last = this.#tape.end.seq
    const late = performance.now() + SETTLE_MS
    const expected = this.#readers.map(reader => this.#expected(reader))
    const isDone = (reader: ResumingReader, i: number) =>
      reader.isLive && reader.last >= (expected[i]!.at(-1) ?? 0)
    while (!this.#readers.every(isDone) && performance.now() < late) await sleep(10)
    const faults = this.#readers.flatMap((reader, i) => {
      if (!isDone(reader, i)) {
        const how = `${reader.isLive ? 'live' : 'behind'}, ${reader.state}`
        reader.faults.push(`${reader.name} (${how}) stands at ${reader.last} of ${last}`)
      }
      if (reader.position && reader.position.tape !== id)
        reader.faults.push(`${reader.name} has a position of another tape`)
      return [...reader.faults, ...this.#compare(reader)]
    })
    return [...this.#faults, ...faults].slice(0, 5)
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) reader.close()
    await this.#feed?.close()
    await this.#gateway?.close()
    await this.#tape?.close()
  }

  #reader(i: number): ResumingReader {
    const random = this.#random
    const some = <T>(list: readonly T[]) => list.filter(() => random() < 0.5)
    const kinds: readonly EventType[] = some(KINDS)
    const symbols = random() < 0.2 ? ['*'] : some(SYMBOLS)
    const foreign = { tape: 'another', seq: 5 }
    const start = random()
    const request = {
      kinds: kinds.length > 0 ? kinds : (['trade'] as const),
      symbols: symbols.length > 0 ? symbols : ['SPY'],
      from: start < 0.3 ? 'start' : start < 0.4 ? foreign : 'now',
    } as StreamRequest
    const encoding = ENCODINGS[i % ENCODINGS.length]!
    const forgets = this.#without === 'position'
    const options = { name: `reader ${i}`, request, encoding, random, forgets }
    return new ResumingReader(options, this.#gateway.url)
  }

  /** The gateway ends, and another one goes on with the same tape; clients go where it is now. */
  async #restart(_at: number): Promise<void> {
    await this.#feed.close()
    await this.#gateway.close()
    await this.#tape.close()
    await this.open()
    for (const reader of this.#readers) reader.die(0, this.#gateway.url)
  }

  /** Whatever a client has seen by now, a kill of this process could not take back. */
  async #look(_at: number): Promise<void> {
    const seen = Math.max(0, ...this.#readers.map(reader => reader.last))
    const from = join(this.#folder, 'tape')
    const copy = join(this.#folder, 'copy')
    mkdirSync(copy)
    for (const { name } of readdirSync(from, { withFileTypes: true }).filter(it => it.isFile())) {
      // The lease, and what is just being made, a kill leaves of no use.
      if (/\.(lease|sealing|probe|new)$/.test(name)) continue
      copyFileSync(join(from, name), join(copy, name))
    }
    const left = await openFileTape({ folder: copy, log: silentLog })
    let last = 0
    for await (const batch of left.read({ from: 'start', live: false }))
      for (const { seq, type } of batch) if (type !== 'notice') last = Math.max(last, seq ?? 0)
    await left.close()
    const lost = [...this.#all].filter(
      ([seq, { type }]) => seq > last && seq <= seen && type !== 'notice',
    )
    if (lost.length > 0)
      this.#faults.push(`a kill would have taken back ${lost.length} events seen`)
  }

  /** Numbers of what the tape has had for a reader, by a filter of our own. */
  #expected({ request, from }: ResumingReader): number[] {
    if (from === undefined) return []
    const isWanted = ({ type, symbol }: MarketEvent) =>
      type !== 'notice' &&
      request.kinds.includes(type) &&
      (request.symbols.includes('*') || request.symbols.includes(symbol!))
    return [...this.#all]
      .filter(([seq, event]) => seq > from && isWanted(event))
      .map(([seq]) => seq)
      .sort((a, b) => a - b)
  }

  #compare(reader: ResumingReader): string[] {
    const { seen, skipped, lost, name, resets, request } = reader
    const isForeign = typeof request.from === 'object'
    if (isForeign !== (resets === 1)) return [`${name} was reset ${resets} times`]
    const isIn = (ranges: readonly Range[], seq: number) =>
      ranges.some(({ from, to }) => seq >= from && seq <= to)
    const isSkipped = (seq: number) => isIn(skipped, seq)
    const expected = this.#expected(reader)
    const known = new Set(expected)
    const missing = expected.filter(seq => !seen.has(seq) && !isSkipped(seq) && !isIn(lost, seq))
    const extra = [...seen.keys()].filter(seq => !known.has(seq) || isSkipped(seq))
    const wrong = [...seen].filter(
      ([seq, text]) => known.has(seq) && encodeEvent(this.#all.get(seq)!) !== text,
    )
    const told = (what: string, seqs: readonly number[]) =>
      seqs.length > 0 ? [`${name} ${what} ${seqs.length}, the first ${seqs[0]}`] : []
    count(reader, expected.length)
    return [
      ...told('lacks', missing),
      ...told('has what it should not:', extra),
      ...told(
        'has changed:',
        wrong.map(([seq]) => seq),
      ),
    ]
  }

  #mutated(tape: Tape): Tape {
    const { id } = tape
    const read = (options: ReadOptions = {}) => {
      if (this.#without === 'written') return tape.read({ ...options, written: false })
      const reading = tape.read(options)
      return this.#without === 'skipped' ? withoutSkipped(reading) : reading
    }
    if (this.#without !== 'written' && this.#without !== 'skipped') return tape
    const isWritten = this.#without !== 'written'
    return {
      ...{ id, read, append: batch => tape.append(batch), close: () => tape.close() },
      get start() {
        return tape.start
      },
      get end() {
        return tape.end
      },
      get written() {
        return isWritten ? tape.written : tape.end
      },
    }
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

async function* withoutSkipped(reading: AsyncIterable<MarketEvent[]>) {
  for await (const batch of reading) {
    const rest = batch.filter(event => event.type !== 'notice' || event.notice !== 'skipped')
    if (rest.length > 0) yield rest
  }
}

const OPEN: Access = {
  upgrade: () => ({ name: 'anyone', scopes: new Set(['read'] as const), leave() {} }),
  authenticate: () => OPEN.upgrade(undefined as never)!,
  statusOf: () => 403,
  close() {},
}

/** A disk whose writes take a while, now and then. */
function slowDisk(random: Random): Disk {
  return {
    ...systemDisk,
    async create(path) {
      const file = await systemDisk.create(path)
      return {
        ...file,
        write: (bytes, length, at, done) => {
          const wait = random() < 0.2 ? random() * 30 : 0
          if (wait === 0) file.write(bytes, length, at, done)
          else setTimeout(() => file.write(bytes, length, at, done), wait)
        },
      }
    },
  }
}

const totals = {
  readers: 0,
  events: 0,
  cuts: 0,
  deaths: 0,
  stalls: 0,
  skips: 0,
  lost: 0,
  resets: 0,
}

function count(reader: ResumingReader, events: number): void {
  const { cuts, deaths, stalls, skipped, lost, resets } = reader
  totals.readers++
  totals.events += events
  totals.cuts += cuts
  totals.deaths += deaths
  totals.stalls += stalls
  totals.skips += skipped.length
  totals.lost += lost.length
  totals.resets += resets
}

/** So that nobody takes rounds in which nothing happened for proof. */
export function summary(): string {
  return Object.entries(totals)
    .map(([name, value]) => `${value.toLocaleString('en-US')} ${name}`)
    .join(', ')
}
