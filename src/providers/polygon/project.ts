import { createEvent, type EventFields, type MarketEvent, type Quote } from '../../market/events.ts'
import { channelOfEvent, codes, FIRST_INDICATOR, placeOf, tapeCode } from './encode.ts'
import type { Market } from './markets.ts'
import { exchangeOf, idOf, takerOf, tapeOf } from './messages.ts'

/**
 * What is left of an event that goes out in the words of one of Polygon's clusters: what a reader of the messages knows of
 * it. `undefined` where the cluster has no message: books, statuses, corrections, cancels, news, notices, bars that are not
 * over or of other lengths than 1s and 1m, tickers without a `value`.
 * What it has no words for: nanoseconds (but of bands and imbalances), exchanges and conditions that are no numbers
 * (letters of US exchanges become theirs), sides outside crypto, numbers of trades in bars, sizes in forex.
 */
export function projectPolygon(event: MarketEvent, market: Market): MarketEvent | undefined {
  if (channelOfEvent(event, market) === undefined || event.symbol === undefined) return undefined
  const { symbol, source, timestamp, receivedAt } = event
  const base = { symbol, source, timestamp, receivedAt }
  switch (event.type) {
    case 'trade': {
      const { price, size, id, side } = event
      const isCoin = market.name === 'crypto'
      const taker = side === 'buy' ? ['2'] : side === 'sell' ? ['1'] : undefined
      const conditions = texts(codes(event.conditions)) ?? (isCoin ? taker : undefined)
      return made('trade', {
        ...{
          ...base,
          price,
          size,
          id: id === undefined ? undefined : idOf(String(id)),
          conditions,
        },
        exchange: isCoin ? placeName(event.exchange, false) : placeName(event.exchange),
        tape: isCoin || market.name === 'options' ? undefined : tapeName(event.tape),
        side: isCoin ? takerOf(conditions) : undefined,
      })
    }
    case 'quote':
      return made('quote', { ...base, ...quoteFields(event, market) })
    case 'bar': {
      const { interval, open, high, low, close, volume, vwap } = event
      return made('bar', {
        ...{ ...base, interval, open, high, low, close, vwap: vwap || undefined },
        ...{ volume: market.volumes ? volume : 0, final: true, revision: 0 },
      })
    }
    case 'luld': {
      const { limitUp, limitDown, indicator, nanos } = event
      const indicators = texts(codes(indicator?.split(',')))?.join(',')
      const tape = tapeName(event.tape)
      return made('luld', { ...base, nanos, limitUp, limitDown, indicator: indicators, tape })
    }
    case 'imbalance': {
      const { size, pairedSize, nanos } = event
      const [price, auction] = [event.price || undefined, event.auction || undefined]
      const exchange = placeName(event.exchange, false)
      return made('imbalance', { ...base, nanos, price, size, pairedSize, auction, exchange })
    }
    case 'ticker':
      return made('ticker', { ...base, value: event.value })
  }
  return undefined
}

function quoteFields({ bid, ask, ...event }: Quote, { name }: Market): object {
  const sizes = {
    bidSize: bid ? (event.bidSize ?? 0) : undefined,
    askSize: ask ? (event.askSize ?? 0) : undefined,
  }
  const prices = { bid: bid || undefined, ask: ask || undefined }
  const { bidExchange, askExchange } = event
  if (name === 'crypto' || name === 'forex') {
    const both = placeName(bidExchange ?? askExchange, false)
    const exchanges = { bidExchange: both, askExchange: both }
    return { ...prices, ...(name === 'crypto' && sizes), ...exchanges }
  }
  const exchanges = {
    bidExchange: placeName(bidExchange, false),
    askExchange: placeName(askExchange, false),
  }
  if (name !== 'stocks') return { ...prices, ...sizes, ...exchanges }
  const all = codes(event.conditions) ?? []
  const [condition] = all.filter(code => code < FIRST_INDICATOR)
  const conditions = [
    ...(condition ? [condition] : []),
    ...all.filter(code => code >= FIRST_INDICATOR),
  ]
  const list = conditions.length > 0 ? texts(conditions) : undefined
  return { ...prices, ...sizes, ...exchanges, conditions: list, tape: tapeName(event.tape) }
}

const made = (type: MarketEvent['type'], fields: object) =>
  createEvent({ type, ...fields } as unknown as EventFields)

const texts = (numbers: readonly number[] | undefined) => numbers?.map(String)

const tapeName = (tape: string | undefined) => tapeOf(textOf(tapeCode(tape)))

function placeName(exchange: string | undefined, hasFacility = true): string | undefined {
  const [id, facility] = placeOf(exchange)
  return exchangeOf(textOf(id), hasFacility ? textOf(facility) : undefined)
}

/** Nothing has the number 0. */
const textOf = (code: number | undefined) => (code ? String(code) : undefined)
