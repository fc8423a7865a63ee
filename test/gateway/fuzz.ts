/**
 * Throws random and mutated messages at every protocol of the gateway, in one process without sockets: peers, sessions,
 * subscriptions and writers are the real ones. Nothing may throw, what comes back has to be of the protocol, and when
 * everybody has gone nothing may be left.
 *
 *     node --import tsx test/gateway/fuzz.ts --rounds 10000000 --seed 1
 *
 * A failure names the seed of its connection; `--rounds 1 --seed THAT` repeats it.
 */
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { resolve } from 'node:path'
import { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { WebSocket } from 'ws'
import { TickwireError } from '../../src/base/errors.ts'
import type { Log } from '../../src/base/log.ts'
import { silentLog } from '../../src/base/log.ts'
import { decodeMsgpack, encodeMsgpack } from '../../src/base/msgpack.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import type { SharedDesk } from '../../src/flow/contracts.ts'
import type { GatewayFeed } from '../../src/gateway/context.ts'
import { DropinPeer } from '../../src/gateway/dropin.ts'
import { hostOf } from '../../src/gateway/dropin-host.ts'
import { Dropins } from '../../src/gateway/dropin-paths.ts'
import { Hub } from '../../src/gateway/hub.ts'
import { Peer, type PeerContext } from '../../src/gateway/peer.ts'
import { Upstream } from '../../src/gateway/upstream.ts'
import { decodeMessage } from '../../src/providers/tickwire/decode.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { type HandClock, handClock } from '../../src/testing/clock.ts'
import { event, guest, ScriptedFeed } from './stream-kit.ts'

export interface FuzzResult {
  /** One line each, with the seed that repeats it; at most ten. */
  readonly failures: string[]
  readonly frames: number
  /** So that a run in which nothing was understood shows. */
  readonly answers: number
  readonly data: number
  /** Bytes of heap, at a tenth of the way and at its end. */
  readonly heap: readonly [early: number, late: number]
}

/** Messages of one connection; then comes another. */
const FRAMES = 64
const LINGER_MS = 1_000

interface Target {
  readonly name: string
  /** Where a vendor's client comes in; the native protocol has none. */
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly isPacked?: boolean
  readonly hello: readonly unknown[]
  readonly words: readonly unknown[]
}

const SPY = { symbol: 'SPY', exchange: 'ARCA' }
const LISTS = [
  'trades',
  'quotes',
  'bars',
  'updatedBars',
  'dailyBars',
  'orderbooks',
  'news',
  'lulds',
]
const ALPACA_WORDS = [
  { action: 'auth', key: 'any', secret: 'any' },
  ...['subscribe', 'unsubscribe'].flatMap(action =>
    LISTS.map(list => ({ action, [list]: ['SPY', 'BTC/USD', '*'] })),
  ),
]
const ALPACA_HELLO = [
  { action: 'auth', key: 'any', secret: 'any' },
  { action: 'subscribe', trades: ['SPY'], quotes: ['SPY'] },
]
const POLYGON_HELLO = [
  { action: 'auth', params: 'any' },
  { action: 'subscribe', params: 'T.SPY,Q.SPY' },
]
const POLYGON_WORDS = [
  ...POLYGON_HELLO,
  { action: 'subscribe', params: 'T.*,AM.SPY,LULD.SPY, XT.BTC-USD,XQ.*' },
  { action: 'unsubscribe', params: 'T.SPY,Q.*,XT.BTC-USD' },
]
const STREAM = { id: 1, kinds: ['trade', 'quote', 'book'], symbols: ['SPY', 'BTC/USD'] }
const NATIVE_WORDS = [
  { type: 'subscribe', ...STREAM },
  { type: 'subscribe', ...STREAM, id: 2, conflateMs: 50, slow: 'conflate', snapshot: true },
  { type: 'subscribe', ...STREAM, id: 3, kinds: ['bar'], interval: '1m', from: 'start' },
  { type: 'subscribe', ...STREAM, id: 4, from: { tape: 'x', seq: 3 } },
  { type: 'unsubscribe', id: 1 },
  { type: 'auth', key: 'tw_none' },
  { type: 'ping' },
]

const TARGETS: readonly Target[] = [
  { name: 'native json', hello: [NATIVE_WORDS[0]], words: NATIVE_WORDS },
  { name: 'native msgpack', isPacked: true, hello: [NATIVE_WORDS[0]], words: NATIVE_WORDS },
  { name: 'alpaca json', path: '/alpaca/v2/iex', hello: ALPACA_HELLO, words: ALPACA_WORDS },
  {
    ...{ name: 'alpaca msgpack', path: '/alpaca/v1beta3/crypto/us', isPacked: true },
    headers: { 'content-type': 'application/msgpack' },
    hello: [ALPACA_HELLO[0], { action: 'subscribe', trades: ['BTC/USD'], orderbooks: ['BTC/USD'] }],
    words: ALPACA_WORDS,
  },
  { name: 'alpaca news', path: '/alpaca/v1beta1/news', hello: ALPACA_HELLO, words: ALPACA_WORDS },
  { name: 'polygon stocks', path: '/polygon/stocks', hello: POLYGON_HELLO, words: POLYGON_WORDS },
  { name: 'polygon crypto', path: '/polygon/crypto', hello: POLYGON_HELLO, words: POLYGON_WORDS },
  {
    ...{ name: 'openalgo', path: '/openalgo' },
    hello: [
      { action: 'authenticate', api_key: 'any' },
      { action: 'subscribe', symbols: [SPY], mode: 3, depth: 5 },
    ],
    words: [
      { action: 'auth', apikey: 'any' },
      ...[1, 2, 3, 'ltp', 'Depth', 4].map(mode => ({
        ...{ action: 'subscribe', symbols: [SPY, { symbol: 'BTC/USD', exchange: 'CRYPTO' }], mode },
        ...{ depth: 20, request_id: [1, { a: 'b' }] },
      })),
      { action: 'unsubscribe', symbols: [{ ...SPY, mode: 3 }] },
      { action: 'unsubscribe_all' },
      { type: 'subscribe_orders', request_id: 'o1' },
      { action: 'ping', timestamp: 5, _pingId: 7 },
      { action: 'get_broker_info' },
    ],
  },
]

/** Values that have been trouble somewhere. */
const ODD: readonly unknown[] = [
  ...[
    '',
    '*',
    '__proto__',
    'constructor',
    'SPY\u0000',
    'é',
    'BTC/USD',
    'x'.repeat(300),
    ':',
    'A:B',
  ],
  ...[0, -1, 1e308, 2 ** 53, 0.5, true, false, null, [], {}, [[]], ['SPY'], [null], { a: 1 }],
]

/** Makes messages: mostly what a client could mean, with something wrong in it. */
class Messages {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)]!
  }

  int(below: number): number {
    return Math.floor(this.#random() * below)
  }

  next({ words, isPacked }: Target): Uint8Array {
    const kind = this.int(10)
    if (kind === 0) return this.#noise(this.int(80))
    let message: unknown = structuredClone(this.pick(words))
    if (kind > 3) message = this.#spoiled(message, 3)
    const whole = isPacked ? packed(message) : Buffer.from(JSON.stringify(message) ?? 'null')
    return kind > 7 ? this.#bitten(whole) : whole
  }

  #spoiled(value: unknown, depth: number): unknown {
    if (depth === 0 || this.int(6) === 0) return this.pick(ODD)
    if (Array.isArray(value)) {
      if (value.length === 0 || this.int(4) === 0) return [...value, this.pick(ODD)]
      return value.with(this.int(value.length), this.#spoiled(this.pick(value), depth - 1))
    }
    if (typeof value !== 'object' || value === null) return this.pick(ODD)
    const entries = Object.entries(value)
    if (entries.length === 0 || this.int(5) === 0) return { ...value, [`${this.pick(ODD)}`]: 1 }
    const [name, old] = this.pick(entries)
    return { ...value, [name]: this.#spoiled(old, depth - 1) }
  }

  #noise(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.int(256))
  }

  #bitten(bytes: Uint8Array): Uint8Array {
    const copy = Uint8Array.from(bytes)
    switch (this.int(3)) {
      case 0:
        return copy.subarray(0, this.int(copy.length))
      case 1:
        if (copy.length > 0) copy[this.int(copy.length)] = this.int(256)
        return copy
    }
    const at = this.int(copy.length)
    return Buffer.concat([copy.subarray(0, at), this.#noise(this.int(8)), copy.subarray(at)])
  }
}

/** What cannot be packed goes as JSON, which is as wrong. */
function packed(message: unknown): Uint8Array {
  try {
    return encodeMsgpack(message as never)
  } catch {
    return Buffer.from(JSON.stringify(message) ?? '')
  }
}

/** A socket nobody is behind: it takes what is written, and looks at it. */
class Wire extends EventEmitter {
  readonly stream: Duplex
  isOpen = true
  answers = 0
  data = 0
  fault: string | undefined

  constructor(target: Target) {
    super()
    this.stream = new Duplex({
      write: (chunk: Buffer, _encoding, done) => {
        try {
          this.#look(chunk, target)
        } catch (error) {
          this.fault ??= `${(error as Error).message}: ${chunk.toString('latin1').slice(0, 200)}`
        }
        done()
      },
      read() {},
    })
  }

  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.stream.destroy()
    this.emit('close', 1_000, Buffer.alloc(0))
  }

  terminate(): void {
    this.close()
  }

  pause(): void {}
  resume(): void {}
  ping(): void {}

  #look(chunk: Buffer, { path, isPacked }: Target): void {
    for (let at = 0; at < chunk.length; ) {
      const isText = chunk[at] === 0x81
      if (!isText && chunk[at] !== 0x82) throw new Error('what was written is no frame')
      let length = chunk[at + 1]!
      let start = at + 2
      if (length === 126) [length, start] = [chunk.readUInt16BE(at + 2), at + 4]
      else if (length === 127) [length, start] = [Number(chunk.readBigUInt64BE(at + 2)), at + 10]
      const body = chunk.subarray(start, start + length)
      if (body.length < length) throw new Error('a frame that is cut')
      at = start + length
      const message: unknown =
        path === undefined
          ? decodeMessage(isText ? body.toString() : body)
          : isPacked
            ? decodeMsgpack(body)
            : JSON.parse(body.toString())
      this.answers++
      if (/price|"p":|ltp|"events"/.test(JSON.stringify(message, asText))) this.data++
    }
  }
}

const asText = (_name: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)

/** Everything between the sockets and a tape. */
function openInside(errors: string[]) {
  const clock = handClock()
  const log: Log = {
    ...silentLog,
    error: (fields: object, text: string) => void errors.push(`${text} ${JSON.stringify(fields)}`),
  }
  const tape = memoryTape({ clock, capacity: 4_096 })
  const feed = new ScriptedFeed()
  const feeds = [feed] as unknown as GatewayFeed[]
  const hub = new Hub(tape, clock, log)
  const upstream = new Upstream(feeds, clock, LINGER_MS)
  const limits = {
    ...{
      subscriptions: 20,
      symbols: 500,
      topics: 5_000,
      messageBytes: 1_024 * 1_024,
      queuedEvents: 1_024,
    },
    heartbeatMs: 5_000,
  }
  const access = {
    ...{ upgrade: () => guest(), authenticate: () => guest(), statusOf: () => 403, close() {} },
  }
  const context: PeerContext = {
    ...{ tape, hub, upstream, access, limits, clock, log },
    hello: encoding => ({
      ...{ type: 'hello', version: 1, encoding, server: 'tickwire/0', nature: 'simulated' },
      ...{
        banner: undefined,
        tape: tape.id,
        seq: 0,
        time: 0,
        sources: [],
        needsKey: false,
        limits,
      },
    }),
  }
  return { clock, tape, feed, hub, upstream, context, dropins: new Dropins(feeds, clock) }
}

type Inside = ReturnType<typeof openInside>

function connect(target: Target, { context, dropins }: Inside): Wire {
  const wire = new Wire(target)
  const socket = wire as unknown as WebSocket
  const request = {
    headers: { host: 'localhost', ...target.headers },
    socket: { remoteAddress: '127.0.0.1' },
  } as unknown as IncomingMessage
  const { stream } = wire
  if (target.path === undefined) {
    const encoding = target.isPacked ? 'msgpack' : 'json'
    new Peer({ socket, stream, request }, encoding, guest(), context, () => {})
  } else {
    const dropin = dropins.find(target.path)!
    const options = { dropin, request, stream, guest: guest(), context, gone: () => {} }
    new DropinPeer(options).attach(socket)
  }
  return wire
}

/** Throws `rounds` messages from `seed` on. */
export async function fuzz(rounds: number, seed: number): Promise<FuzzResult> {
  const failures: string[] = []
  const errors: string[] = []
  const inside = openInside(errors)
  let [frames, answers, data, early] = [0, 0, 0, 0]
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 4
  for (let one = seed; frames < rounds && failures.length < 10; one++) {
    if (early === 0 && frames > rounds / 10) early = heapUsed()
    const messages = new Messages(seededRandom(one))
    const target = messages.pick(TARGETS)
    const wire = connect(target, inside)
    const say = (bytes: Uint8Array) => {
      frames++
      try {
        if (wire.isOpen) wire.emit('message', Buffer.from(bytes), target.isPacked === true)
      } catch (error) {
        failures.push(`seed ${one}, ${target.name}: ${(error as Error).stack}`)
      }
    }
    for (const hello of target.hello) {
      say(target.isPacked ? packed(hello) : Buffer.from(JSON.stringify(hello)))
    }
    for (let i = 0; i < FRAMES && wire.isOpen; i++) {
      if (i % 16 === 0) await bringData(inside)
      say(messages.next(target))
    }
    await bringData(inside)
    wire.close()
    await turn(inside.clock, one % 16 === 0 ? 2 * LINGER_MS : 1)
    await asked(messages, inside).catch(error => {
      failures.push(`seed ${one}, a question: ${(error as Error).stack}`)
    })
    frames++
    answers += wire.answers
    data += wire.data
    if (wire.fault) failures.push(`seed ${one}, ${target.name}: ${wire.fault}`)
    for (const error of errors.splice(0)) failures.push(`seed ${one}, ${target.name}: ${error}`)
  }
  Error.stackTraceLimit = stackTraceLimit
  for (let i = 0; i < 4; i++) await turn(inside.clock, 60_000)
  const { hub, upstream, tape } = inside
  const left = [[...hub.clients].length, hub.groups, upstream.size]
  if (left.some(count => count > 0)) {
    failures.push(`left behind: ${left.join(', ')} clients, groups, topics`)
  }
  const late = heapUsed()
  const closing = hub.close()
  await inside.clock.advance(1)
  await closing
  upstream.close()
  await tape.close()
  return { failures, frames, answers, data, heap: [early || late, late] }
}

async function bringData({ tape, clock }: Inside): Promise<void> {
  for (const symbol of ['SPY', 'BTC/USD']) {
    tape.append([
      event({ type: 'trade', symbol, price: 100.25, size: 10, id: 7 }),
      event({ type: 'quote', symbol, bid: 100, bidSize: 1, ask: 101, askSize: 2 }),
      event({ type: 'book', symbol, snapshot: true, bids: [[100, 1]], asks: [[101, 2]] }),
    ])
  }
  await turn(clock, 10)
}

async function turn(clock: HandClock, ms: number): Promise<void> {
  await clock.advance(ms)
  await new Promise(resolve => setImmediate(resolve))
}

const PATHS = ['/v3/trades/SPY', '/v3/quotes/X:BTC-USD', '/v2/aggs/ticker/SPY/range/1/minute/1/2']
const CALLS = ['quotes', 'multiquotes', 'depth', 'history', 'intervals', 'ping', 'constructor']
const FIELDS = { apikey: 'any', ...SPY, interval: '1m', start_date: '2024-01-15', symbols: [SPY] }

/** A question over HTTP, in either vendor's words: it is answered, or refused with an error of ours. */
async function asked(messages: Messages, { dropins, hub, upstream, feed }: Inside): Promise<void> {
  const isPolygon = messages.int(2) === 0
  const target: Target = { name: '', hello: [], words: [{ ...FIELDS, end_date: '2024-01-16' }] }
  const path = isPolygon ? messages.pick(PATHS) : `/api/v1/${messages.pick(CALLS)}`
  const spoiled = messages.int(3) === 0 ? `${path}${messages.pick(ODD)}` : path
  const query = new URLSearchParams({ apiKey: 'any', limit: `${messages.pick(ODD)}` })
  if (messages.int(2) === 0)
    query.set('cursor', Buffer.from(messages.next(target)).toString('base64url'))
  const dropin = dropins.find(isPolygon ? '/polygon' : '/openalgo')!
  const host = hostOf(feed as unknown as GatewayFeed, hub.present, upstream, () => true)
  const desk: SharedDesk = {
    ...host,
    now: () => 0,
    want: async () => {},
    beginning: async () => undefined,
    async *history() {},
  }
  const body = Buffer.from(messages.next(target)).toString()
  const question = { method: isPolygon ? 'GET' : 'POST', path: spoiled, query, headers: {}, body }
  try {
    const { status, body: text } = await dropin.protocol.rest!.answer(
      { ...question, root: '' },
      desk,
    )
    if (status < 200 || status > 499) throw new Error(`answered ${status}`)
    JSON.parse(text)
  } catch (error) {
    if (!(error instanceof TickwireError)) throw error
  }
}

setFlagsFromString('--expose-gc')
/** Only a context made behind the flag has it. */
const collect = runInNewContext('gc') as () => void

/** Of what is alive. */
function heapUsed(): number {
  collect()
  return process.memoryUsage().heapUsed
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '200000' },
      seed: { type: 'string', default: '1' },
    },
  })
  const [rounds, seed] = [Number(values.rounds), Number(values.seed)]
  if (!(rounds > 0) || !Number.isSafeInteger(seed)) {
    console.error('usage: fuzz.ts --rounds N --seed S')
    process.exit(2)
  }
  const start = performance.now()
  const { failures, frames, answers, data, heap } = await fuzz(rounds, seed)
  for (const failure of failures) console.log(failure)
  const megabytes = heap.map(bytes => `${(bytes / 1_048_576).toFixed(1)} MB`)
  console.log(
    `${frames} messages from seed ${seed} in ${((performance.now() - start) / 1_000).toFixed(1)} s: ` +
      `${failures.length === 0 ? 'all hold' : `${failures.length} fail`} ` +
      `(${answers} messages back, ${data} of them data; heap ${megabytes.join(', then ')})`,
  )
  process.exit(failures.length === 0 ? 0 : 1)
}
