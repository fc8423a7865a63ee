import type { MarketEvent } from '../../market/events.ts'
import type { Answers } from './replies.ts'
import type { Ask } from './subscriptions.ts'
import { barOf, quoteOf, type Stamp, sizeOf, timeOf, tradeOf } from './ticks.ts'

/** Where what TWS says of a subscription goes. */
export interface AnswerSink {
  readonly source: string
  /** When the message at hand came, epoch ms. */
  readonly receivedAt: () => number
  /** Something has come, of which this is the event. */
  event(event: MarketEvent | undefined): void
  /** Something has come that changes the line or book at hand; false: it is of one that has just been let go. */
  changed(): boolean
  error(code: number, text: string): void
  /** The message at hand is not what it should be. */
  spoil(reason: string): void
  /** A step that cannot follow on the rows there are. */
  broken(reason: string): void
  dataType(type: number): void
}

/** Reads what TWS says of one subscription. */
export function answersOf({ resolved, line, rows }: Ask, sink: AnswerSink): Answers {
  const { symbol } = resolved
  const stamp = (): Stamp => ({
    ...{ symbol, source: sink.source, receivedAt: sink.receivedAt(), flags: 0 },
  })
  // A quote of no side and a bar of no trade are no events, and no faults.
  const put = (event: MarketEvent | undefined, seconds: string | number) => {
    if (timeOf(seconds) === undefined) sink.spoil(`a time ${seconds}`)
    else sink.event(event)
  }
  return {
    error: sink.error,
    trade: (seconds, price, given, unreported, exchange, specialConditions) => {
      const size = sizeOf(given)
      if (size === undefined) sink.spoil('a trade without a size')
      else {
        const tick = { price, size, exchange, specialConditions }
        put(tradeOf(stamp(), seconds, tick, unreported), seconds)
      }
    },
    quote: (seconds, priceBid, priceAsk, sizeBid, sizeAsk) => {
      put(quoteOf(stamp(), seconds, { priceBid, priceAsk, sizeBid, sizeAsk }), seconds)
    },
    bar: (seconds, open, high, low, close, volume, vwap, count) => {
      put(barOf(stamp(), seconds, [open, high, low, close], volume, vwap, count), seconds)
    },
    price: (tick, price) => {
      line?.price(tick, price)
      sink.changed()
    },
    size: (tick, size) => {
      line?.size(tick, sizeOf(size))
      sink.changed()
    },
    text: (tick, text) => {
      const fault = line?.text(tick, text)
      if (fault === undefined) sink.changed()
      else sink.spoil(fault)
    },
    dataType: type => {
      if (line) line.dataType = type
      sink.dataType(type)
    },
    row: (position, maker, operation, side, price, size) => {
      if (!sink.changed()) return
      const fault = rows?.apply(side, operation, position, { maker, price, size: sizeOf(size) })
      if (fault !== undefined) sink.broken(`TWS changed ${fault}`)
    },
  }
}
