/**
 * Frames of Binance and Coinbase to events, one message each: against `JSON.parse` alone on the same frames; for Binance
 * against the mappers of tardis-dev, which take them parsed (it reads Coinbase's older stream only); and against ccxt, for
 * books with ours kept too.
 */
import type { Random } from '../src/base/random.ts'
import type { Decoder } from '../src/feed/description.ts'
import { KIND_BIT } from '../src/feed/provider.ts'
import type { Book, Level, MarketEvent, Quote, Trade } from '../src/market/events.ts'
import { BinanceDecoder } from '../src/providers/binance/codec.ts'
import { Market as BinanceMarket, type MarketRest } from '../src/providers/binance/market.ts'
import { PlainDecoder as BinancePlain } from '../src/providers/binance/plain.ts'
import { Names } from '../src/providers/binance/symbols.ts'
import { CoinbaseDecoder } from '../src/providers/coinbase/codec.ts'
import { Market as CoinbaseMarket } from '../src/providers/coinbase/market.ts'
import { PlainDecoder as CoinbasePlain } from '../src/providers/coinbase/plain.ts'
import { CCXT_FORMS, type CcxtVenue, ccxt } from './ccxt.ts'
import {
  answer,
  type Case,
  compare,
  contextOf,
  decoding,
  type FramesOptions,
  type Keep,
  keeping,
  PARSING,
} from './frames.ts'
import { peer } from './peers.ts'

const FRAMES = 4_000
const KINDS = [
  ...(['binance trade', 'binance quote', 'binance book'] as const),
  ...(['coinbase trade', 'coinbase book'] as const),
] as const
type Kind = (typeof KINDS)[number]
type What = 'trade' | 'quote' | 'book'

/** Least ratio to `JSON.parse`. */
const BUDGET = 3
/** Where the numbers of updates begin; they rise, and have to stay as long as they are. */
const FIRST = 1_000_000_000

const CCXT: Readonly<Record<'binance' | 'coinbase', CcxtVenue>> = {
  binance: {
    ...{ id: 'binance', url: 'wss://stream.binance.com:9443/stream', symbol: 'BTC/USDT' },
    ...{ vendorName: 'BTCUSDT', nonce: FIRST - 1 },
  },
  coinbase: {
    ...{ id: 'coinbase', url: 'wss://advanced-trade-ws.coinbase.com', symbol: 'BTC/USD' },
    vendorName: 'BTC-USD',
  },
}
/** Numbers of trades, of frames, and of the ten updates of a frame. */
const RISING: Readonly<Record<Kind, Case['rising']>> = {
  'binance trade': { '"t":': FRAMES },
  'binance quote': { '"u":': FRAMES },
  'binance book': { '"U":': 10 * FRAMES, '"u":': 10 * FRAMES },
  'coinbase trade': { '"sequence_num":': FRAMES, '"trade_id":"': FRAMES },
  'coinbase book': { '"sequence_num":': FRAMES },
}

interface Mapper {
  map(message: unknown, localTimestamp: Date): Iterable<unknown>
}
type Normalize = (exchange: string, localTimestamp: Date) => Mapper

const NORMALIZERS: Readonly<Record<What, string>> = {
  ...{ trade: 'normalizeTrades', quote: 'normalizeBookTickers', book: 'normalizeBookChanges' },
}

/** tardis-dev's mappers, behind `JSON.parse`. */
function tardis(what: What): Case['ways'][string] {
  return {
    title: 'tardis-dev',
    forms: { tardis: TARDIS_FORMS[what].theirs },
    open(keep: Keep) {
      const normalizers = peer<Record<string, Normalize>>('tardis-dev')
      const now = new Date()
      const mapper = normalizers[NORMALIZERS[what]]!('binance', now)
      if (what === 'book') {
        const data = { lastUpdateId: FIRST - 1, bids: [], asks: [] }
        Array.from(mapper.map({ stream: 'btcusdt@depthSnapshot', data }, now))
      }
      return frame => {
        for (const event of mapper.map(JSON.parse(frame.toString()), now)) keep(event)
      }
    },
  }
}

interface TardisLevel {
  readonly price: number
  readonly amount: number
}
interface TardisTrade extends TardisLevel {
  readonly id: string
  readonly side: string
  readonly timestamp: Date & { readonly μs?: number }
}
interface TardisTicker {
  readonly bidPrice: number
  readonly bidAmount: number
  readonly askPrice: number
  readonly askAmount: number
}
interface TardisBook {
  readonly bids: readonly TardisLevel[]
  readonly asks: readonly TardisLevel[]
}

/** What tardis-dev makes and what we do, in one form. */
const TARDIS_FORMS: Readonly<
  Record<What, { theirs(value: never): unknown; ours(event: MarketEvent): unknown }>
> = {
  trade: {
    theirs: ({ id, side, price, amount, timestamp }: TardisTrade) => {
      return [id, side, price, amount, timestamp.getTime(), timestamp.μs ?? 0]
    },
    ours: event => {
      const { id, side, price, size, timestamp, nanos } = event as Trade
      return [String(id), side, price, size, timestamp, nanos / 1_000]
    },
  },
  quote: {
    theirs: (t: TardisTicker) => [t.bidPrice, t.bidAmount, t.askPrice, t.askAmount],
    ours: event => {
      const { bid, bidSize, ask, askSize } = event as Quote
      return [bid, bidSize, ask, askSize]
    },
  },
  book: {
    theirs: ({ bids, asks }: TardisBook) => {
      const list = (levels: readonly TardisLevel[]) => levels.map(it => [it.price, it.amount])
      return [list(bids), list(asks)]
    },
    ours: event => {
      const { bids, asks } = event as Book
      return [bids, asks] satisfies (readonly Level[])[]
    },
  },
}

/** REST with an empty book from before the first update. */
const REST: MarketRest = {
  limit: 1_000,
  depth: () => Promise.resolve({ last: FIRST - 1, bids: [], asks: [] }),
  strangers: () => Promise.resolve([]),
}

const coinbase = (what: What) => contextOf(symbol => (symbol === 'BTC/USDC' ? 0 : KIND_BIT[what]))

function binanceDecoder(what: What): Promise<Decoder> {
  const names = new Names()
  const decoder = new BinanceDecoder(
    contextOf(() => KIND_BIT[what]),
    names,
    REST,
  )
  return confirmed(decoder, decoder, what, names)
}

function binancePlain(what: What): Promise<Decoder> {
  const names = new Names()
  const market = new BinanceMarket(
    contextOf(() => KIND_BIT[what]),
    names,
    REST,
  )
  return confirmed(new BinancePlain(market), market, what, names)
}

/** A decoder whose subscription is confirmed and whose book has its snapshot. */
async function confirmed(
  decoder: Decoder,
  market: Pick<BinanceMarket, 'confirmed'>,
  kind: What,
  names: Names,
): Promise<Decoder> {
  market.confirmed([{ source: 'bench', kind, symbol: names.symbol('BTC/USDT') }])
  await new Promise<void>(resolve => setImmediate(resolve))
  return decoder
}

const CASES: readonly Case[] = KINDS.map(kind => {
  const [venue, what] = kind.split(' ') as ['binance' | 'coinbase', What]
  const isBook = what === 'book'
  const ofBinance = venue === 'binance'
  const scanner = () => (ofBinance ? binanceDecoder(what) : new CoinbaseDecoder(coinbase(what)))
  const plain = () =>
    ofBinance ? binancePlain(what) : new CoinbasePlain(new CoinbaseMarket(coinbase(what)))
  const ccxtForms = isBook
    ? {}
    : what === 'quote'
      ? CCXT_FORMS.quote
      : ofBinance
        ? CCXT_FORMS.microTrade
        : CCXT_FORMS.makerTrade
  return {
    name: kind,
    frames: random => framesOf(kind, random),
    rising: RISING[kind]!,
    ways: {
      parse: PARSING,
      scanner: decoding('scanner', scanner, { ...ccxtForms, tardis: TARDIS_FORMS[what].ours }),
      plain: decoding('plain decoder', plain),
      ...(ofBinance && { tardis: tardis(what) }),
      ...(isBook && { kept: keeping(scanner) }),
      ccxt: ccxt(CCXT[venue], what),
    },
    rows: [
      { way: 'scanner', than: 'parse', budget: BUDGET },
      { way: 'scanner', than: 'plain' },
      ...(ofBinance ? [{ way: 'scanner', than: 'tardis' }] : []),
      { way: isBook ? 'kept' : 'scanner', than: 'ccxt' },
    ],
  }
})

export async function main(options: FramesOptions = {}): Promise<void> {
  compare(import.meta.url, CASES, options)
}

function framesOf(kind: Kind, random: Random): Buffer[] {
  const price = () => (64_000 + random() * 999).toFixed(2)
  const size = () => (random() * 2 + 1e-4).toFixed(8)
  const list = <T>(make: (i: number) => T) => Array.from({ length: FRAMES }, (_, i) => make(i))
  const combined = (stream: string, data: string) => `{"stream":"btcusdt@${stream}","data":${data}}`
  // A thousand levels a side; one change in five removes.
  const level = (isBid: boolean) => {
    const ticks = 1 + Math.floor(random() * 1_000)
    return [
      (64_000 + (isBid ? -ticks : ticks) / 100).toFixed(2),
      random() < 0.2 ? '0.00000000' : size(),
    ] as const
  }
  const levels = (count: number, isBid: boolean) =>
    Array.from({ length: count }, () => level(isBid))
      .map(([price, size]) => `["${price}000000","${size}"]`)
      .join(',')
  const updates = (count: number) =>
    Array.from({ length: count }, (_, i) => {
      const [price, size] = level(i % 2 === 1)
      return `{"side":"${i % 2 ? 'bid' : 'offer'}","event_time":"2026-04-07T14:30:01.456789Z","price_level":"${price}","new_quantity":"${size}"}`
    }).join(',')
  const envelope = (channel: string, i: number, events: string) =>
    `{"channel":"${channel}","timestamp":"2026-04-07T14:30:01.456789012Z","sequence_num":${FIRST + i},"events":[${events}]}`
  const make: { readonly [kind in Kind]: (i: number) => string } = {
    'binance trade': i =>
      combined(
        'trade',
        `{"e":"trade","E":1672515782136${100 + (i % 900)},"s":"BTCUSDT","t":${FIRST + i},"p":"${price()}000000","q":"${size()}","T":1672515782135${100 + (i % 900)},"m":${i % 2 === 0},"M":true}`,
      ),
    'binance quote': i =>
      combined(
        'bookTicker',
        `{"u":${FIRST + i},"s":"BTCUSDT","b":"${price()}000000","B":"${size()}","a":"65000.01000000","A":"${size()}"}`,
      ),
    'binance book': i =>
      combined(
        'depth@100ms',
        `{"e":"depthUpdate","E":1672515782136${100 + (i % 900)},"s":"BTCUSDT","U":${FIRST + i * 10},"u":${FIRST + i * 10 + 9},"b":[${levels(5, true)}],"a":[${levels(5, false)}]}`,
      ),
    'coinbase trade': i =>
      envelope(
        'market_trades',
        i,
        `{"type":"update","trades":[{"trade_id":"${929_248_663 + i}","product_id":"BTC-USD","price":"${price()}","size":"${size()}","side":"BUY","time":"2026-04-07T14:30:01.354578Z"}]}`,
      ),
    'coinbase book': i =>
      envelope(
        'l2_data',
        i,
        `{"type":"${i === 0 ? 'snapshot' : 'update'}","product_id":"BTC-USD","updates":[${updates(10)}]}`,
      ),
  }
  return list(i => Buffer.from(make[kind](i)))
}

await answer(import.meta.url, CASES)
