import { silentLog } from '../../../src/base/log.ts'
import { seededRandom } from '../../../src/base/random.ts'
import type { ConnectionContext, Decoder, Inbox } from '../../../src/feed/description.ts'
import { type FeedOptions, openFeed } from '../../../src/feed/feed.ts'
import type { MarketEvent, Notice } from '../../../src/market/events.ts'
import { AllTickDecoder } from '../../../src/providers/alltick/codec.ts'
import { type AllTickOptions, alltick } from '../../../src/providers/alltick/index.ts'
import { Market } from '../../../src/providers/alltick/market.ts'
import { PlainDecoder } from '../../../src/providers/alltick/plain.ts'
import type { AllTickMarket } from '../../../src/providers/alltick/plans.ts'
import { type AllTickServerOptions, allTickServer } from '../../../src/providers/alltick/server.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { memoryVenue } from '../memory-venue.ts'

/** 2026-08-21, a Friday, 10:00 in New York. */
export const TEN = Date.UTC(2026, 7, 21, 14)
export const TOKEN = '0123456789abcdef0123456789abcdef-c-app'

/** What a decoder has said, as plain values. */
export type Said = readonly [what: string, value: unknown]

/** Both decoders with nothing around them. */
export function bench(market: AllTickMarket = 'stocks', mask = -1) {
  const said: Said[] = []
  const context: ConnectionContext = {
    ...{ source: 'alltick', interest: { revision: 1, mask: () => mask }, clock: handClock(TEN) },
    ...{ log: silentLog, signal: new AbortController().signal, emit: () => {} },
    control: () => {},
  }
  const inbox: Inbox = {
    event: event => said.push(['event', { ...event }]),
    control: control => {
      const { type } = control
      said.push(['control', type === 'refused' ? control.error.code : { ...control }])
    },
    malformed: reason => said.push(['malformed', reason]),
    unknown: name => said.push(['unknown', name]),
  }
  const scanner = new AllTickDecoder(context, market)
  const plain = new PlainDecoder(new Market(context, market))
  const read = (decoder: Decoder) => (frame: string) => {
    decoder.decode(Buffer.from(frame), false, TEN + 0.5, inbox)
    return said.splice(0)
  }
  return { scanner, read: read(scanner), readPlainly: read(plain) }
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
  readonly server?: Omit<AllTickServerOptions, 'clock'>
  readonly alltick?: AllTickOptions
  readonly feed?: FeedOptions
}

/** A feed on the venue's side in memory. */
export function liveKit({ server: given, alltick: options, feed: more }: KitOptions = {}) {
  const clock = handClock(TEN)
  const server = allTickServer({ clock, ...given })
  const venue = memoryVenue(server, clock)
  const heard: { readonly at: number; readonly text: string }[] = []
  const provider = alltick({
    ...{ token: TOKEN, httpGet: venue.httpGet, clock, ...options },
    openSocket: (request, on, its) => {
      const socket = venue.openSocket(request, on, its)
      const send = (frame: string | Uint8Array) => {
        heard.push({ at: clock.now() - TEN, text: String(frame) })
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
    ...{ clock, server, venue, provider, feed, notices, heard, got },
    get fatal() {
      return fatal as { code: string; hint?: string } | undefined
    },
    keep: (event: MarketEvent) => void got.push(event),
    /** Requests in short, heartbeats left out. */
    get asked() {
      return heard.flatMap(({ text }) => {
        const { cmd_id, data } = JSON.parse(text)
        if (cmd_id === 22_000) return []
        const codes = (data.symbol_list ?? []) as { code: string; depth_level?: number }[]
        const list = codes.map(it => it.code + (it.depth_level ? `/${it.depth_level}` : ''))
        return [[cmd_id, ...(data.cancel_type ? [data.cancel_type] : list)].join(' ')]
      })
    },
    async end(): Promise<void> {
      const closed = feed.close()
      await clock.advance(2_000)
      await closed
    },
  }
}
