/** A contract the fake TWS has. */
export interface FakeContract {
  readonly conId: number
  readonly symbol: string
  readonly secType: string
  readonly exchange: string
  readonly currency: string
  /** What events of the market call it. @default its symbol; `EUR/USD` of a pair, `CME:ES-202612` of a future */
  readonly name?: string
  readonly primaryExch?: string
  readonly localSymbol?: string
  readonly tradingClass?: string
  /** Last trading day, `20261218`, and the month, `202612`. */
  readonly lastTradeDate?: string
  readonly contractMonth?: string
  readonly strike?: number
  readonly right?: 'C' | 'P'
  readonly multiplier?: number
  readonly minTick?: number
  /** For people. @default its symbol */
  readonly longName?: string
  /** `COMMON`, `ETF`. */
  readonly stockType?: string
  /** How many units of a price are one of the currency: 100 where prices are in pence. @default 1 */
  readonly priceMagnifier?: number
}

const stock = (conId: number, symbol: string, primaryExch: string): FakeContract => ({
  ...{ conId, symbol, secType: 'STK', exchange: 'SMART', currency: 'USD', primaryExch },
  ...{ localSymbol: symbol, tradingClass: 'NMS', minTick: 0.01 },
})

const future = (conId: number, contractMonth: string, day: string): FakeContract => ({
  ...{ conId, symbol: 'ES', secType: 'FUT', exchange: 'CME', currency: 'USD', contractMonth },
  ...{ lastTradeDate: `${contractMonth}${day}`, multiplier: 50, minTick: 0.25 },
  ...{ localSymbol: `ES${contractMonth.slice(2)}`, tradingClass: 'ES' },
})

const pair = (conId: number, symbol: string, currency: string): FakeContract => ({
  ...{ conId, symbol, secType: 'CASH', exchange: 'IDEALPRO', currency, minTick: 0.00005 },
  ...{ localSymbol: `${symbol}.${currency}`, tradingClass: `${symbol}.${currency}` },
})

/** What is there where nothing else is said. */
export const FAKE_CONTRACTS: readonly FakeContract[] = [
  stock(265_598, 'AAPL', 'NASDAQ'),
  stock(272_093, 'MSFT', 'NASDAQ'),
  stock(76_792_991, 'TSLA', 'NASDAQ'),
  stock(756_733, 'SPY', 'ARCA'),
  stock(4_815_747, 'NVDA', 'NASDAQ'),
  stock(3_691_937, 'AMZN', 'NASDAQ'),
  stock(107_113_386, 'META', 'NASDAQ'),
  stock(72_063_691, 'BRK B', 'NYSE'),
  // Two that share a name.
  { ...stock(11_111, 'TWIN', 'NYSE'), exchange: 'SMART' },
  { ...stock(22_222, 'TWIN', 'PINK'), exchange: 'SMART' },
  pair(12_087_792, 'EUR', 'USD'),
  pair(12_087_797, 'GBP', 'USD'),
  future(495_512_557, '202612', '18'),
  future(495_512_563, '202703', '19'),
  {
    ...{ conId: 479_624_278, symbol: 'BTC', secType: 'CRYPTO', exchange: 'PAXOS' },
    ...{ currency: 'USD', localSymbol: 'BTC.USD', tradingClass: 'BTC', minTick: 0.25 },
  },
  {
    ...{ conId: 416_904, symbol: 'SPX', secType: 'IND', exchange: 'CBOE', currency: 'USD' },
    ...{ localSymbol: 'SPX', tradingClass: 'SPX', minTick: 0.01 },
  },
]

/** Its name among events. */
export function nameOf(contract: FakeContract): string {
  const { name, secType, symbol, currency, exchange, contractMonth } = contract
  if (name !== undefined) return name
  if (secType === 'CASH' || secType === 'CRYPTO') return `${symbol}/${currency}`
  if (secType === 'FUT') return `${exchange}:${symbol}-${contractMonth}`
  return symbol.replace(' ', '.')
}

/** The twelve fields a request names a contract by, from `at` on: those given must fit, and TWS looks at nothing else. */
export function findContracts(
  all: readonly FakeContract[],
  fields: readonly string[],
  at: number,
): FakeContract[] {
  const [conId = '', symbol, secType, month = '', strike = '', right, multiplier = ''] =
    fields.slice(at)
  const [exchange, primaryExch, currency, localSymbol, tradingClass] = fields.slice(at + 7)
  const fits = (given: string | undefined, own: string | undefined) => !given || given === own
  return all.filter(one => {
    if (Number(conId) > 0) return one.conId === Number(conId)
    const { lastTradeDate = '' } = one
    return (
      fits(symbol, one.symbol) &&
      fits(secType, one.secType) &&
      (month === '' || lastTradeDate.startsWith(month)) &&
      (!(Number(strike) > 0) || Number(strike) === one.strike) &&
      fits(right, one.right) &&
      (!(Number(multiplier) > 0) || Number(multiplier) === one.multiplier) &&
      (fits(exchange, one.exchange) || exchange === one.primaryExch) &&
      fits(primaryExch, one.primaryExch) &&
      fits(currency, one.currency) &&
      fits(localSymbol, one.localSymbol) &&
      fits(tradingClass, one.tradingClass)
    )
  })
}

/** Message 10 of server version 176. */
export function contractDetails(reqId: string, one: FakeContract): (string | number | undefined)[] {
  const stub = { zone: 'US/Eastern', open: '20261120:0930-20261120:1600' }
  return [
    ...[10, reqId, one.symbol, one.secType, one.lastTradeDate ?? '', one.strike ?? 0],
    ...[one.right ?? '', one.exchange, one.currency, one.localSymbol, one.tradingClass],
    ...[one.tradingClass, one.conId, one.minTick ?? 0.01, one.multiplier ?? '', 'LMT,MKT'],
    ...[one.exchange, one.priceMagnifier ?? 1, 0, one.longName ?? one.symbol],
    ...[one.primaryExch ?? '', one.contractMonth ?? ''],
    ...['', '', '', stub.zone, stub.open, stub.open, '', 0, 0, 1, '', '', '26', ''],
    one.stockType ?? '',
    ...[0.0001, 0.0001, 100],
  ]
}

/** Message 79: contracts whose symbols begin like this, or whose names have it in them; 16 at most. */
export function symbolSamples(
  reqId: string,
  all: readonly FakeContract[],
  pattern: string,
): (string | number | undefined)[] {
  const asked = pattern.trim().toUpperCase()
  const found = all
    .filter(({ secType }) => secType !== 'FUT' && secType !== 'OPT')
    .filter(({ symbol, longName = '' }) => {
      return symbol.startsWith(asked) || longName.toUpperCase().includes(asked)
    })
    .slice(0, 16)
  const records = found.flatMap(({ conId, symbol, secType, exchange, primaryExch, currency }) => [
    ...[conId, symbol, secType, primaryExch ?? exchange, currency, 0, '', ''],
  ])
  return [79, reqId, found.length, ...records]
}
