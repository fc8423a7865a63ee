import { contractOf, ibkrSymbol } from '../../providers/ibkr/symbols.ts'
import { INSTRUMENTS, type SymbolOption } from '../../providers/simulated/instruments.ts'
import { FAKE_CONTRACTS, type FakeContract, nameOf } from '../../testing/fake-tws-contracts.ts'

/** What the TWS of `tickwire sim` trades. */
export interface SimContracts {
  /** Names of what has prices. */
  readonly names: readonly string[]
  /** The same for the simulated market. */
  readonly symbols: readonly SymbolOption[]
  readonly contracts: readonly FakeContract[]
}

/** Levels of what is no stock, where a stock's would look odd. */
const LEVELS: Readonly<Record<string, Omit<Exclude<SymbolOption, string>, 'symbol'>>> = {
  'EUR/USD': { price: 1.085, tick: 0.00005 },
  'GBP/USD': { price: 1.27, tick: 0.00005 },
  'CME:ES-202612': { price: 6_700.25, tick: 0.25 },
  'CME:ES-202703': { price: 6_752.5, tick: 0.25 },
}
/** A number of ours for each contract that IBKR's are not known of. */
const FIRST_ID = 1_000_000

/**
 * The contracts of these names, however they are written; without any those of the simulated market and of the fake TWS.
 * Two that share a name are always there, and have no prices.
 * @throws BAD_SYMBOL
 */
export function simContracts(given: readonly string[] | undefined): SimContracts {
  const known = new Map(FAKE_CONTRACTS.map(contract => [nameOf(contract), contract]))
  const twins = FAKE_CONTRACTS.filter(contract => known.get(nameOf(contract)) !== contract)
  const shared = new Set(twins.map(nameOf))
  const usual = [...INSTRUMENTS.map(({ symbol }) => symbol), ...known.keys()]
  const names = [...new Set((given ?? usual).map(ibkrSymbol))].filter(name => !shared.has(name))
  const namesakes = FAKE_CONTRACTS.filter(contract => shared.has(nameOf(contract)))
  return {
    names,
    symbols: names.map(symbol => ({ symbol, ...LEVELS[symbol] })),
    contracts: [
      ...names.map((name, i) => known.get(name) ?? madeOf(name, FIRST_ID + i)),
      ...namesakes,
    ],
  }
}

/** What the provider asks for by such a name. */
function madeOf(name: string, conId: number): FakeContract {
  const { secType, symbol = name, month, primaryExchange, ...wanted } = contractOf(name)
  const { exchange = 'SMART', currency = 'USD', strike, right, multiplier } = wanted
  const primaryExch = primaryExchange ?? (exchange === 'SMART' ? 'NASDAQ' : exchange)
  // A future is asked for by its month; its last day here is as good as any.
  const day = month !== undefined && month.length === 6 ? `${month}18` : month
  return {
    ...{ conId, name, secType, symbol, exchange, currency, localSymbol: symbol },
    ...(secType === 'STK' && { primaryExch }),
    ...(day !== undefined && { lastTradeDate: day, contractMonth: day.slice(0, 6) }),
    ...(strike !== undefined && { strike }),
    ...(right !== undefined && { right }),
    ...(multiplier !== undefined && { multiplier }),
  }
}
