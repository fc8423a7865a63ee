import assert from 'node:assert/strict'
import { it } from 'node:test'
import { sleep } from '../../src/base/clock.ts'
import type { HttpGet } from '../../src/base/http.ts'
import { silentLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { OpenSocket } from '../../src/base/socket.ts'
import type { ConnectionContext } from '../../src/feed/description.ts'
import { type FeedOptions, openFeed } from '../../src/feed/feed.ts'
import type { Interest, Provider } from '../../src/feed/provider.ts'
import type { HistoryRequest } from '../../src/flow/contracts.ts'
import {
  createEvent,
  type EventType,
  type MarketEvent,
  type Notice,
} from '../../src/market/events.ts'
import { type HandClock, handClock } from '../../src/testing/clock.ts'
import { type MemoryServer, type MemoryVenue, memoryVenue } from './memory-venue.ts'
import { Recorder } from './recorder.ts'

export const NOON = Date.UTC(2024, 0, 15, 12)
const LATER = NOON + 3_600_000

let ids = 1_000
export const tradeOf = (symbol: string, timestamp: number, fields: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'trade', symbol, source: 'venue', timestamp, price: 43_000.5, size: 0.25 },
    ...{ id: ++ids, side: 'buy', ...fields },
  })

/** A bar of the venue that begins so many minutes after noon. */
export const barOf = (symbol: string, minute: number, fields: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'bar', symbol, source: 'venue', timestamp: NOON + minute * 60_000, interval: '1m' },
    ...{ open: 1, high: 3, low: 0.5, close: 2, volume: 4, final: true, revision: 0, ...fields },
  })

/** What a provider is given in place of the network. */
export interface Transport {
  readonly openSocket?: OpenSocket
  readonly httpGet: HttpGet
  readonly clock: HandClock
}

/** A venue of this kind: what makes its server side, and what its provider. */
export interface CryptoVenue<Server extends MemoryServer, ServerOptions, Options> {
  readonly id: string
  /** What is asked for where nothing else is said. */
  readonly symbol: string
  /** When its REST side is asked. */
  readonly restAt: number
  server(clock: HandClock, options: ServerOptions | undefined): Server
  provider(transport: Transport, options: Options | undefined): Provider
}

export interface LiveOptions<ServerOptions, Options> {
  readonly server?: ServerOptions
  readonly provider?: Options
  readonly feed?: FeedOptions
  readonly latencyMs?: number
}

/** What the tests of a venue begin with. */
export function cryptoKit<Server extends MemoryServer, ServerOptions, Options>(
  venue: CryptoVenue<Server, ServerOptions, Options>,
) {
  const { id: source, symbol, restAt } = venue
  const asking = (clock: HandClock, provider: Provider, to: number) => ({
    history(request: Partial<HistoryRequest> = {}) {
      const whole = { kind: 'trade', symbols: [symbol], from: NOON, to, ...request }
      return passing(clock, outcome(provider.history!(whole as HistoryRequest)))
    },
    latest: (kind: EventType, symbols: readonly string[] = [symbol]) =>
      passing(clock, provider.latest!({ kind, symbols })),
  })
  return {
    /** A connection that is none, for a decoder without a socket. */
    contextOf(interest: Interest = { revision: 1, mask: () => -1 }) {
      const clock = handClock(NOON)
      const life = new AbortController()
      const recorder = new Recorder()
      const context: ConnectionContext = {
        ...{ source, interest, clock, log: silentLog, signal: life.signal },
        emit: batch => recorder.reports.push(...batch),
        control: message => recorder.control(message),
      }
      return { clock, context, recorder, end: () => life.abort() }
    },

    /** A feed on the venue's server side in memory. */
    liveKit(options: LiveOptions<ServerOptions, Options> = {}) {
      const clock = handClock(NOON)
      const server = venue.server(clock, options.server)
      const memory = memoryVenue(server, clock, options.latencyMs)
      const { openSocket, httpGet } = memory
      const provider = venue.provider({ openSocket, httpGet, clock }, options.provider)
      const settings = { log: silentLog, leases: false, random: seededRandom(7) } as const
      const feed = openFeed(provider, { clock, ...settings, ...options.feed })
      const notices: Notice[] = []
      feed.on('notice', notice => notices.push(notice))
      feed.done.catch(() => {})
      return {
        ...{ clock, server, venue: memory, provider, feed, notices },
        said: (name: string) => notices.filter(({ notice }) => notice === name).map(n => n.message),
        async end(): Promise<void> {
          const closed = feed.close()
          await clock.advance(2_000)
          await closed
        },
      }
    },

    /** A provider without a stream, on the venue's server side. */
    restKit(options?: Options) {
      const clock = handClock(restAt)
      const server = venue.server(clock, undefined)
      const memory = memoryVenue(server, clock)
      const provider = venue.provider({ httpGet: memory.httpGet, clock }, options)
      const asked = asking(clock, provider, NOON + 3_600_000)
      return { clock, server, venue: memory, provider, ...asked }
    },

    /** A provider whose REST side gives these bodies, one after another, the last for all that follow. */
    canned(bodies: readonly unknown[], options?: Options, { at = LATER, takesMs = 0 } = {}) {
      const clock = handClock(at)
      const asked: string[] = []
      const httpGet: HttpGet = async ({ url }) => {
        await sleep(clock, takesMs)
        const body = bodies[Math.min(asked.length, bodies.length - 1)]
        asked.push(url)
        return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(body)) }
      }
      const provider = venue.provider({ httpGet, clock }, options)
      return { clock, asked, provider, ...asking(clock, provider, NOON + 60_000) }
    },
  }
}

/** Turns the clock until a promise is settled. */
export async function passing<T>(clock: HandClock, promise: Promise<T>): Promise<T> {
  let over = false
  const end = () => {
    over = true
  }
  promise.then(end, end)
  for (let i = 0; i < 20_000 && !over; i++) await clock.advance(250)
  assert.ok(over, 'it has come to an end')
  return promise
}

/** What comes, and what it ends with. */
export async function outcome(events: AsyncIterable<MarketEvent[]>) {
  const found: MarketEvent[] = []
  try {
    for await (const batch of events) found.push(...batch)
  } catch (error) {
    return { events: found, error: error as { code: string; message: string } }
  }
  return { events: found, error: undefined }
}

type Asking = {
  history(request?: Partial<HistoryRequest>): ReturnType<typeof outcome>
}

/** A test: requests that cannot be served are refused, each with its code. */
export function itRefusesRequests(
  kit: () => Asking & { readonly provider: Provider },
  symbol: string,
  unknown: string,
): void {
  it('is asked for rightly or not at all', async () => {
    const { history, provider } = kit()
    const cases: readonly (readonly [Partial<HistoryRequest>, string])[] = [
      [{ kind: 'quote' }, 'UNSUPPORTED'],
      [{ kind: 'bar', interval: '7m' }, 'UNSUPPORTED'],
      [{ adjustment: 'split' }, 'UNSUPPORTED'],
      [{ symbols: [] }, 'NO_SYMBOLS'],
      [{ symbols: ['*'] }, 'BAD_SYMBOL'],
      [{ from: 2, to: 1 }, 'BAD_OPTION'],
      [{ symbols: [unknown] }, 'UNKNOWN_SYMBOL'],
    ]
    for (const [request, code] of cases) assert.equal((await history(request)).error?.code, code)
    await assert.rejects(provider.latest!({ kind: 'news', symbols: [symbol] }), {
      code: 'UNSUPPORTED',
    })
  })
}

/**
 * A test: a candle of a minute is final when it was over before it was asked for, or a later one stands behind it; not when
 * it has ended while the answer was on its way. `bodyOf` is the answer with the candles of these minutes behind noon.
 */
export function itKnowsWhenACandleIsOver(
  canned: (bodies: readonly unknown[], options: undefined, when: object) => Asking,
  bodyOf: (...minutes: readonly number[]) => unknown,
): void {
  it('has candles that are over, and says of no other that it is', async () => {
    const cases = [
      [58_000, [0], false],
      [58_000, [0, 1], true],
      [61_000, [0], false],
      [62_500, [0], true],
    ] as const
    for (const [ms, minutes, final] of cases) {
      const { history } = canned([bodyOf(...minutes)], undefined, { at: NOON + ms, takesMs: 5_000 })
      const request = { kind: 'bar', interval: '1m', from: NOON, to: NOON + 120_000 } as const
      const { events, error } = await history(request)
      assert.equal(error, undefined)
      const [bar] = events
      assert.ok(bar?.type === 'bar')
      assert.equal(bar.final, final, `asked ${ms} ms after its beginning`)
    }
  })
}

/** A test: the venue's time, and a refusal, are answers to `doctor`; none at all is thrown. */
export function itCanBeChecked(
  kit: () => { provider: Provider; venue: MemoryVenue; clock: HandClock },
  addresses: readonly string[],
): void {
  it('is looked at by its time', async () => {
    const { provider, venue, clock } = kit()
    const { check } = provider
    assert.deepEqual(check?.addresses, addresses)
    const ask = () => passing(clock, check!.ask(new AbortController().signal))
    const { date, refusal, grants } = await ask()
    assert.equal(date, Math.floor(clock.now() / 1_000) * 1_000)
    assert.deepEqual([refusal, grants.length], [undefined, 2])
    venue.reply = () => ({ status: 451, headers: {}, body: '{}' })
    const refused = await ask()
    assert.deepEqual([refused.refusal?.code, refused.grants], ['REGION_REFUSED', []])
    venue.reply = () => 'unreachable'
    await assert.rejects(ask(), { code: 'UNREACHABLE' })
    assert.equal(venue.questions.length, 3, 'each time it asks once')
  })
}

/** Tests: each of these rows of answers ends a history with its message, after fewer than `most` questions. */
export function itEndsOnBadAnswers(
  canned: (bodies: readonly unknown[]) => Asking & { readonly asked: readonly string[] },
  most: number,
  cases: readonly (readonly [what: string, bodies: readonly unknown[], message: RegExp])[],
): void {
  for (const [what, bodies, message] of cases) {
    it(`with ${what} end it, and nothing wrong is given on`, async () => {
      const { history, asked } = canned(bodies)
      const { error } = await history()
      assert.equal(error?.code, 'VENUE_ERROR')
      assert.match(error?.message ?? '', message)
      assert.ok(asked.length < most, 'it does not ask for ever')
    })
  }
}
