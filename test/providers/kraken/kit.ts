import { silentLog } from '../../../src/base/log.ts'
import type { ConnectionContext, Control, Decoder, Inbox } from '../../../src/feed/description.ts'
import type { Interest } from '../../../src/feed/provider.ts'
import type { MarketEvent } from '../../../src/market/events.ts'
import { KrakenScanner } from '../../../src/providers/kraken/codec.ts'
import { Market } from '../../../src/providers/kraken/market.ts'
import { PlainDecoder } from '../../../src/providers/kraken/plain.ts'
import { type HandClock, handClock } from '../../../src/testing/clock.ts'

/** What a decoder has said, as plain values. */
export type Said = readonly [what: string, value: unknown]

export const EVERYTHING: Interest = { revision: 1, mask: (_symbol: string): number => -1 }

export interface Bench {
  readonly decoder: Decoder
  readonly clock: HandClock
  readonly warnings: string[]
  /** What a frame makes it say; what it says between frames stands in `later`. */
  read(frame: string | Uint8Array, receivedAt?: number): Said[]
  readonly later: Said[]
}

/** A decoder with nothing around it. */
export function bench(
  kind: 'scanner' | 'plain' = 'scanner',
  { interest = EVERYTHING, depth = 25, now = Date.UTC(2023, 9, 1) } = {},
): Bench {
  const clock = handClock(now)
  const later: Said[] = []
  const warnings: string[] = []
  let heard = later
  const context: ConnectionContext = {
    ...{ source: 'kraken', interest, clock },
    log: { ...silentLog, warn: (_fields: object, text: string) => void warnings.push(text) },
    signal: new AbortController().signal,
    emit: batch => {
      for (const event of batch) heard.push(['event', plain(event)])
    },
    control: control => heard.push(['control', shown(control)]),
  }
  const market = new Market(context, depth)
  const decoder = kind === 'plain' ? new PlainDecoder(market) : new KrakenScanner(market)
  return {
    ...{ decoder, clock, later, warnings },
    read(frame, receivedAt = 1_700_000_000_000.5) {
      const said: Said[] = []
      const inbox: Inbox = {
        event: event => said.push(['event', plain(event)]),
        control: control => said.push(['control', shown(control)]),
        malformed: reason => said.push(['malformed', reason]),
        unknown: name => said.push(['unknown', name]),
      }
      heard = said
      const bytes = typeof frame === 'string' ? Buffer.from(frame) : frame
      decoder.decode(bytes, false, receivedAt, inbox)
      heard = later
      return said
    },
  }
}

export const plain = (event: MarketEvent): Record<string, unknown> => ({ ...event })

/** A control with `covers` as what it covers of a few topics. */
function shown(control: Control): unknown {
  if (!('covers' in control) || !control.covers) return { ...control, covers: undefined }
  const { covers } = control
  const of = (kind: string, symbol: string, interval?: string) =>
    covers({ source: 'kraken', kind, symbol, interval } as never)
  const list = ['BTC/USD', 'ETH/USD', 'FOO/USD'].flatMap(symbol => [
    ...['trade', 'quote', 'ticker', 'book', 'status'].map(
      kind => [`${kind} ${symbol}`, of(kind, symbol)] as const,
    ),
    ...['1m', '5m'].map(it => [`bar@${it} ${symbol}`, of('bar', symbol, it)] as const),
  ])
  return { ...control, covers: list.filter(([, is]) => is).map(([name]) => name) }
}

export const events = (said: readonly Said[]) =>
  said.filter(([what]) => what === 'event').map(([, event]) => event as Record<string, unknown>)

/** The venue's documented messages. */
export const DOCUMENTED = {
  status:
    '{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":13834774380200032777,"system":"online","version":"2.0.0"}]}',
  heartbeat: '{"channel":"heartbeat"}',
  pong: '{"method":"pong","req_id":101,"time_in":"2023-09-24T14:10:23.799685Z","time_out":"2023-09-24T14:10:23.799703Z"}',
  subscribed:
    '{"method":"subscribe","result":{"channel":"book","depth":10,"snapshot":true,"symbol":"BTC/USD"},"success":true,"time_in":"2023-10-06T17:35:55.219022Z","time_out":"2023-10-06T17:35:55.219067Z","req_id":7}',
  refused:
    '{"error":"Currency pair not supported FOO/USD","method":"subscribe","req_id":9,"success":false,"symbol":"FOO/USD","time_in":"2023-10-06T17:35:55.219022Z","time_out":"2023-10-06T17:35:55.219067Z"}',
  instrument:
    '{"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"BTC","status":"enabled","precision":10,"precision_display":5,"borrowable":true,"collateral_value":1.0,"margin_rate":0.01}],"pairs":[{"symbol":"BTC/USD","base":"BTC","quote":"USD","status":"online","qty_precision":8,"qty_increment":1e-08,"price_precision":1,"cost_precision":5,"marginable":true,"has_index":true,"cost_min":"0.5","margin_initial":0.2,"position_limit_long":250,"position_limit_short":200,"tick_size":0.1,"price_increment":0.1,"qty_min":0.0001}]}}',
  ticker:
    '{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":105944.2,"bid_qty":2.5,"ask":105944.3,"ask_qty":3.2,"last":105899.4,"volume":163.28908096,"vwap":105904.39279,"low":104711.0,"high":106613.1,"change":250.0,"change_pct":0.24,"timestamp":"2023-09-25T09:04:31.742648Z"}]}',
  trade:
    '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":105910.5,"qty":0.0001246,"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"}]}',
  ohlc: '{"channel":"ohlc","type":"update","timestamp":"2023-10-04T16:26:30.524394914Z","data":[{"symbol":"MATIC/USD","open":0.5624,"high":0.5628,"low":0.5622,"close":0.5627,"trades":12,"volume":30927.68066226,"vwap":0.5626,"interval_begin":"2023-10-04T16:25:00.000000000Z","interval":5,"timestamp":"2023-10-04T16:30:00.000000Z"}]}',
} as const

/** A book message whose levels are given as text, so that their digits stay. */
export function bookFrame(
  symbol: string,
  type: 'snapshot' | 'update',
  bids: readonly (readonly [price: string, size: string])[],
  asks: readonly (readonly [price: string, size: string])[],
  checksum: number,
): string {
  const list = (levels: typeof bids) =>
    levels.map(([price, qty]) => `{"price":${price},"qty":${qty}}`).join(',')
  return `{"channel":"book","type":"${type}","data":[{"symbol":"${symbol}","bids":[${list(bids)}],"asks":[${list(asks)}],"checksum":${checksum},"timestamp":"2023-10-06T17:35:55.440295Z"}]}`
}
