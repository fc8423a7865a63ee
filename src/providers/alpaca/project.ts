import {
  createEvent,
  type EventFields,
  type MarketEvent,
  type TradeId,
} from '../../market/events.ts'
import { channelOf } from './encode.ts'
import { isSymbol, isTime, longId, standing } from './messages.ts'

/**
 * What is left of an event that goes out in Alpaca's words: what a reader of the messages knows of it. `undefined` where the
 * protocol has no message: tickers, notices, bars but those of a minute that are over and those of a day.
 * What it has no words for: numbers on the tape, ids that are no 64-bit numbers, sizes of a side without a price, more of an
 * imbalance than its price, sequence and checksum of a book, which revision a bar is.
 */
export function projectAlpaca(event: MarketEvent): MarketEvent | undefined {
  if (channelOf(event) === undefined) return undefined
  const { symbol, source, timestamp, nanos, receivedAt } = event
  if (symbol === undefined || !isSymbol(symbol) || !isTime(timestamp)) return undefined
  const base = { symbol, source, timestamp, nanos, receivedAt }
  switch (event.type) {
    case 'trade': {
      const { price, size, exchange, tape, side, conditions } = event
      const words = { exchange: code(exchange), tape: code(tape), side, conditions }
      return createEvent({ type: 'trade', ...base, price, size, id: idOf(event.id), ...words })
    }
    case 'quote': {
      const { bid, ask, conditions } = event
      return createEvent({
        ...{ type: 'quote', ...base, bid: bid || undefined, ask: ask || undefined },
        bidSize: bid ? (event.bidSize ?? 0) : undefined,
        askSize: ask ? (event.askSize ?? 0) : undefined,
        ...{ bidExchange: code(event.bidExchange), askExchange: code(event.askExchange) },
        ...{ conditions, tape: code(event.tape) },
      })
    }
    case 'bar': {
      const { interval, open, high, low, close, volume, tradeCount, revision } = event
      return createEvent({
        ...{ type: 'bar', ...base, interval, open, high, low, close, volume, tradeCount },
        vwap: event.vwap || undefined,
        ...{ final: interval === '1m', revision: interval === '1m' && revision > 0 ? 1 : 0 },
      })
    }
    case 'book': {
      const { bids, asks, snapshot } = event
      const levels = snapshot ? { bids: standing(bids), asks: standing(asks) } : { bids, asks }
      return createEvent({ type: 'book', ...base, ...levels, snapshot })
    }
    case 'imbalance': {
      const { price, tape } = event
      return createEvent({
        type: 'imbalance',
        ...base,
        price: price || undefined,
        tape: code(tape),
      })
    }
    case 'cancel': {
      const { price, size, action, exchange, tape } = event
      const amounts = { price: price || undefined, size: size || undefined }
      const words = { exchange: code(exchange), tape: code(tape) }
      return createEvent({
        type: 'cancel',
        ...base,
        id: idOf(event.id),
        ...amounts,
        action,
        ...words,
      })
    }
    case 'correction': {
      const { exchange, tape, ...more } = event
      const ids = { id: idOf(event.id), originalId: idOf(event.originalId) }
      return bare({ ...more, ...ids, exchange: code(exchange), tape: code(tape) })
    }
    default:
      return bare(event)
  }
}

/** Without what stands on no wire but ours. */
function bare(event: MarketEvent): MarketEvent {
  return createEvent({ ...event, flags: 0, seq: undefined } as unknown as EventFields)
}

const code = (text: string | undefined) => (text === '' || text === ' ' ? undefined : text)

function idOf(id: TradeId | undefined): TradeId | undefined {
  if (typeof id === 'string') return longId(id)
  return Number.isSafeInteger(id) && id! >= 0 ? id : undefined
}
