/**
 * Kraken's frames to events, one message each: against `JSON.parse` alone on the same frames; against what its documentation
 * describes (the plain decoder: parse with the digits kept; books by maps and text); and against ccxt.
 */
import type { Random } from '../src/base/random.ts'
import { KIND_BIT } from '../src/feed/provider.ts'
import { KrakenScanner } from '../src/providers/kraken/codec.ts'
import { Market } from '../src/providers/kraken/market.ts'
import { PlainDecoder } from '../src/providers/kraken/plain.ts'
import { CCXT_FORMS, type CcxtVenue, ccxt } from './ccxt.ts'
import {
  answer,
  type Case,
  compare,
  contextOf,
  decoding,
  type FramesOptions,
  keeping,
  PARSING,
} from './frames.ts'

const FRAMES = 4_000
const DEPTH = 25
const KINDS = ['trade', 'quote', 'ticker', 'book'] as const
type Kind = (typeof KINDS)[number]

/** Least ratio to `JSON.parse`; of books, whose checksum is worked out too, to the plain way. */
const BUDGET = 3
const CCXT: CcxtVenue = {
  ...{ id: 'kraken', url: 'wss://ws.kraken.com/v2', symbol: 'BTC/USD', vendorName: 'XXBTZUSD' },
}

const CASES: readonly Case[] = KINDS.map(kind => {
  const market = () =>
    new Market(
      contextOf(() => KIND_BIT[kind]),
      DEPTH,
    )
  const scanner = () => new KrakenScanner(market())
  const forms = kind === 'trade' ? CCXT_FORMS.trade : kind === 'book' ? {} : CCXT_FORMS.quote
  const isBook = kind === 'book'
  return {
    name: `Kraken ${kind}`,
    frames: random => framesOf(kind, random),
    ways: {
      parse: PARSING,
      scanner: decoding('scanner', scanner, forms),
      plain: decoding('plain decoder', () => new PlainDecoder(market())),
      ...(isBook && { kept: keeping(scanner) }),
      ccxt: ccxt(CCXT, kind),
    },
    rows: [
      { way: 'scanner', than: 'parse', ...(!isBook && { budget: BUDGET }) },
      { way: 'scanner', than: 'plain', ...(isBook && { budget: BUDGET }) },
      { way: isBook ? 'kept' : 'scanner', than: 'ccxt' },
    ],
    ...(kind === 'trade' && { rising: { '"trade_id":': FRAMES } }),
  }
})

export async function main(options: FramesOptions = {}): Promise<void> {
  compare(import.meta.url, CASES, options)
}

function framesOf(kind: Kind, random: Random): Buffer[] {
  if (kind === 'book') return bookFrames(random)
  return Array.from({ length: FRAMES }, (_, i) => {
    const price = (105_000 + random() * 999).toFixed(1)
    const size = (random() * 2 + 1e-4).toFixed(8)
    const time = `2023-09-25T09:04:31.${String(100_000 + i)}Z`
    return Buffer.from(
      kind === 'trade'
        ? `{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"${i % 2 ? 'buy' : 'sell'}","price":${price},"qty":${size},"ord_type":"market","trade_id":${84_665_906 + i},"timestamp":"${time}"}]}`
        : `{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":${price},"bid_qty":${size},"ask":105999.3,"ask_qty":3.20000000,"last":105899.4,"volume":163.28908096,"vwap":105904.3,"low":104711.0,"high":106613.1,"change":250.0,"change_pct":0.24,"timestamp":"${time}"}]}`,
    )
  })
}

/** A snapshot and changes of one or two levels, near the best mostly; the last frame leads back to the first. */
function bookFrames(random: Random): Buffer[] {
  const sides = { bids: new Map<string, string>(), asks: new Map<string, string>() }
  const best = (side: keyof typeof sides) => {
    const sign = side === 'bids' ? -1 : 1
    return [...sides[side]].sort(([a], [b]) => sign * (Number(a) - Number(b))).slice(0, DEPTH)
  }
  const list = (levels: readonly (readonly [string, string])[]) =>
    levels.map(([price, qty]) => `{"price":${price},"qty":${qty}}`).join(',')
  const frame = (type: string, bids: string, asks: string) =>
    Buffer.from(
      `{"channel":"book","type":"${type}","data":[{"symbol":"BTC/USD","bids":[${bids}],"asks":[${asks}],"checksum":${checksum(best('asks'), best('bids'))},"timestamp":"2023-10-06T17:35:55.440295Z"}]}`,
    )
  const priceAt = (side: string, place: number) =>
    (side === 'bids' ? 50_000 - place / 10 : 50_000.1 + place / 10).toFixed(1)
  for (let i = 0; i < DEPTH; i++) {
    for (const side of ['bids', 'asks'] as const) sides[side].set(priceAt(side, i), '0.10000000')
  }
  const frames = [frame('snapshot', list(best('bids')), list(best('asks')))]
  while (frames.length < FRAMES) {
    const side = random() < 0.5 ? 'bids' : 'asks'
    const changes = Array.from({ length: random() < 0.5 ? 1 : 2 }, () => {
      const level = [
        priceAt(side, Math.floor(random() * random() * DEPTH)),
        sizeOf(random),
      ] as const
      sides[side].set(...level)
      return level
    })
    const text = list(changes)
    frames.push(frame('update', side === 'bids' ? text : '', side === 'asks' ? text : ''))
  }
  return frames
}

const sizeOf = (random: Random) => (random() * 10 + 1e-4).toFixed(8)

function checksum(...sides: readonly (readonly [string, string])[][]): number {
  const text = sides
    .flatMap(side => side.slice(0, 10))
    .map(level => level.map(it => it.replace('.', '').replace(/^0+/, '')).join(''))
    .join('')
  let crc = 0xffffffff
  for (const c of text) {
    crc ^= c.charCodeAt(0)
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return ~crc >>> 0
}

await answer(import.meta.url, CASES)
