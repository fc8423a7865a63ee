import { silentLog } from '../../../src/base/log.ts'
import { seededRandom } from '../../../src/base/random.ts'
import type { ConnectionContext, Control, Decoder, Inbox } from '../../../src/feed/description.ts'
import { type FeedOptions, openFeed } from '../../../src/feed/feed.ts'
import type { Interest } from '../../../src/feed/provider.ts'
import type { MarketEvent, Notice } from '../../../src/market/events.ts'
import type { Topic } from '../../../src/market/topics.ts'
import { OpenAlgoDecoder } from '../../../src/providers/openalgo/codec.ts'
import { type OpenAlgoOptions, openalgo } from '../../../src/providers/openalgo/index.ts'
import { Market } from '../../../src/providers/openalgo/market.ts'
import { ModePlan } from '../../../src/providers/openalgo/modes.ts'
import { PlainDecoder } from '../../../src/providers/openalgo/plain.ts'
import {
  type OpenAlgoServerOptions,
  openAlgoServer,
} from '../../../src/providers/openalgo/server.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { memoryVenue } from '../memory-venue.ts'

/** 2026-08-21, a Friday, 10:00 in India. */
export const TEN = Date.UTC(2026, 7, 21, 4, 30)
export const KEY = 'a-key-of-a-test'
export const EVERYTHING: Interest = { revision: 1, mask: () => -1 }

/** What a decoder has said, as plain values. */
export type Said = readonly [what: string, value: unknown]

/** Decoders with nothing around them. */
export function bench({ interest = EVERYTHING } = {}) {
  const said: Said[] = []
  const infos: string[] = []
  const clock = handClock(TEN)
  const context: ConnectionContext = {
    ...{ source: 'openalgo', interest, clock },
    log: { ...silentLog, info: (_fields: object, text: string) => void infos.push(text) },
    signal: new AbortController().signal,
    emit: () => {},
    control: control => said.push(['control', shown(control)]),
  }
  const inbox: Inbox = {
    event: event => said.push(['event', { ...event }]),
    control: control => said.push(['control', shown(control)]),
    malformed: reason => said.push(['malformed', reason]),
    unknown: name => said.push(['unknown', name]),
  }
  const scanner = new OpenAlgoDecoder(context, new ModePlan('ltp'))
  const plain = new PlainDecoder(new Market(context, new ModePlan('ltp')))
  const read = (decoder: Decoder) => (frame: string | Uint8Array, receivedAt: number) => {
    const bytes = typeof frame === 'string' ? Buffer.from(frame) : frame
    decoder.decode(bytes, false, receivedAt, inbox)
    return said.splice(0)
  }
  return { scanner, infos, clock, said, read: read(scanner), readPlainly: read(plain) }
}

const SYMBOLS = ['NSE:RELIANCE', 'NSE:INFY', 'NSE:BAD']

/** A control with `covers` as what it covers of a few symbols. */
function shown(control: Control): unknown {
  if (!('covers' in control) || !control.covers) return { ...control }
  const { covers } = control
  const of = (symbol: string): Topic => ({ source: 'openalgo', kind: 'ticker', symbol })
  return { ...control, covers: SYMBOLS.filter(symbol => covers(of(symbol))) }
}

/** Fields of an event that say something. */
export function told(event: unknown): Record<string, unknown> {
  const entries = Object.entries(event as object).filter(([, value]) => value !== undefined)
  const { source, nanos, flags, receivedAt, ...rest } = Object.fromEntries(entries)
  return rest
}

export const events = (said: readonly Said[]) =>
  said.filter(([what]) => what === 'event').map(([, event]) => told(event))

export interface KitOptions {
  readonly server?: Omit<OpenAlgoServerOptions, 'clock'>
  readonly openalgo?: OpenAlgoOptions
  readonly feed?: FeedOptions
}

/** A feed on the server's side in memory. */
export function liveKit({ server: given, openalgo: options, feed: more }: KitOptions = {}) {
  const clock = handClock(TEN)
  const said: string[] = []
  const server = openAlgoServer({
    ...{ clock, ...given },
    script: { said: (_, message) => void said.push(message), ...given?.script },
  })
  const venue = memoryVenue(server, clock)
  /** What clients have said. */
  const heard: string[] = []
  const { httpGet } = venue
  const provider = openalgo({
    ...{ apiKey: KEY, httpGet, clock, ...options },
    openSocket: (request, on, its) => {
      const socket = venue.openSocket(request, on, its)
      const send = (frame: string | Uint8Array) => {
        heard.push(String(frame))
        socket.send(frame)
      }
      return { ...socket, send }
    },
  })
  const settings = { log: silentLog, leases: false, random: seededRandom(7) } as const
  const feed = openFeed(provider, { clock, ...settings, ...more })
  const notices: Notice[] = []
  feed.on('notice', notice => notices.push(notice))
  let fatal: unknown
  feed.done.catch(error => {
    fatal = error
  })
  const got: MarketEvent[] = []
  return {
    ...{ clock, server, venue, provider, feed, notices, said, heard, got },
    get fatal() {
      return fatal as { code: string; hint?: string; message: string } | undefined
    },
    keep: (event: MarketEvent) => void got.push(event),
    told: (name: string) => notices.filter(({ notice }) => notice === name).map(n => n.message),
    async end(): Promise<void> {
      const closed = feed.close()
      await clock.advance(2_000)
      await closed
    },
  }
}
