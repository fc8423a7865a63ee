import type { ContractDescription, ContractDetails, IBApi } from './library.ts'

/** A trade tick of history. */
export interface PastTrade {
  readonly time?: number
  readonly tickAttribLast?: { readonly unreported?: boolean }
  readonly price?: number
  readonly size?: number
  readonly exchange?: string
  readonly specialConditions?: string
}

/** A quote tick of history. */
export interface PastQuote {
  readonly time?: number
  readonly priceBid?: number
  readonly priceAsk?: number
  readonly sizeBid?: number | undefined
  readonly sizeAsk?: number | undefined
}

type Size = number | undefined

/** What may come for one request. What is not there was not asked for. */
export interface Answers {
  /** An error that names the request. */
  error(code: number, text: string): void
  details?(details: ContractDetails): void
  detailsEnd?(): void
  /** Contracts whose names are like what was asked for. */
  samples?(list: readonly ContractDescription[]): void
  /** TWS's time, epoch s: it names no request, so all who want it get it. */
  time?(seconds: number): void
  trade?(
    seconds: string,
    price: number,
    size: Size,
    unreported: boolean,
    exchange: string,
    conditions: string,
  ): void
  quote?(seconds: string, bid: number, ask: number, bidSize: Size, askSize: Size): void
  price?(tick: number, price: number | undefined): void
  size?(tick: number, size: Size): void
  text?(tick: number, text: string): void
  dataType?(type: number): void
  row?(
    position: number,
    maker: string,
    operation: number,
    side: number,
    price: number | undefined,
    size: Size,
  ): void
  bar?(
    seconds: number,
    open: number,
    high: number,
    low: number,
    close: number,
    volume: Size,
    vwap: Size,
    count: Size,
  ): void
  pastTrades?(ticks: readonly PastTrade[], done: boolean): void
  pastQuotes?(ticks: readonly PastQuote[], done: boolean): void
  /** A bar of history; `finished-…` behind the last. */
  pastBar?(
    date: string,
    open: number,
    high: number,
    low: number,
    close: number,
    volume: Size,
    count: Size,
    vwap: Size,
  ): void
}

/** Registers for one of the library's events. */
export type On = (name: string, listener: (...values: never[]) => void) => void

export const registrar =
  (ib: IBApi): On =>
  (name, listener) => {
    ;(ib as unknown as { on(name: string, fn: unknown): void }).on(name, listener)
  }

/** Passes on what the library makes of messages that name a request; `of` says to whom, `all` reaches everybody. */
export function passReplies(
  on: On,
  of: (id: number) => Answers | undefined,
  all: () => Iterable<Answers>,
): void {
  on('contractDetails', (id: number, details: ContractDetails) => of(id)?.details?.(details))
  on('contractDetailsEnd', (id: number) => of(id)?.detailsEnd?.())
  on('symbolSamples', (id: number, list: readonly ContractDescription[]) => of(id)?.samples?.(list))
  on('currentTime', (seconds: number) => {
    for (const answers of all()) answers.time?.(seconds)
  })
  on(
    'tickByTickAllLast',
    (
      id: number,
      _type: number,
      seconds: string,
      price: number,
      size: Size,
      { unreported = false }: { unreported?: boolean },
      exchange: string,
      conditions: string,
    ) => of(id)?.trade?.(seconds, price, size, unreported, exchange, conditions),
  )
  on(
    'tickByTickBidAsk',
    (id: number, seconds: string, bid: number, ask: number, bidSize: Size, askSize: Size) =>
      of(id)?.quote?.(seconds, bid, ask, bidSize, askSize),
  )
  on('tickPrice', (id: number, tick: number, price: number | undefined) =>
    of(id)?.price?.(tick, price),
  )
  on('tickSize', (id: number, tick: number, size: Size) => of(id)?.size?.(tick, size))
  on('tickString', (id: number, tick: number, text: string) => of(id)?.text?.(tick, text))
  on('marketDataType', (id: number, type: number) => of(id)?.dataType?.(type))
  on(
    'updateMktDepth',
    (id: number, position: number, operation: number, side: number, price: number, size: Size) =>
      of(id)?.row?.(position, '', operation, side, price, size),
  )
  on(
    'updateMktDepthL2',
    (
      id: number,
      position: number,
      maker: string,
      operation: number,
      side: number,
      price: number,
      size: Size,
    ) => of(id)?.row?.(position, maker, operation, side, price, size),
  )
  type Bar = [
    ...[open: number, high: number, low: number, close: number],
    ...[volume: Size, vwapOrCount: Size, countOrVwap: Size],
  ]
  on('realtimeBar', (id: number, seconds: number, ...bar: Bar) => of(id)?.bar?.(seconds, ...bar))
  on('historicalData', (id: number, date: string, ...bar: Bar) => of(id)?.pastBar?.(date, ...bar))
  on('historicalTicksLast', (id: number, ticks: readonly PastTrade[], done: boolean) =>
    of(id)?.pastTrades?.(ticks, done),
  )
  on('historicalTicksBidAsk', (id: number, ticks: readonly PastQuote[], done: boolean) =>
    of(id)?.pastQuotes?.(ticks, done),
  )
}
