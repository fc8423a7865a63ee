import { TickwireError } from '../../base/errors.ts'
import type { Contract, ContractDetails } from './library.ts'
import { contractOf, type IbkrContract, type NamedContracts } from './symbols.ts'
import type { Tws } from './tws.ts'

/** A symbol as TWS knows it. */
export interface Resolved {
  readonly symbol: string
  /** What requests name it by. */
  readonly contract: Contract
  readonly secType: string
  /** Currencies and indices have quotes and no trades. */
  readonly trades: boolean
}

/** Where a name is given to what no spelling leads to. */
const NAMING = 'the option contracts (ibkr.contracts of the settings)'
/** How many namesakes a message lists. */
const LISTED = 8
/** How long TWS may take to say what a contract is, ms. */
const TIMEOUT_MS = 15_000
const QUOTED_ONLY = new Set(['CASH', 'IND', 'CMDTY', 'CFD'])

/** Asks TWS once what each symbol is; the answers outlive the connection. */
export class Contracts {
  readonly #named: NamedContracts
  readonly #known = new Map<string, Resolved>()
  /** Questions under way; they end with the connection they were asked on. */
  readonly #asked = new Map<string, { readonly tws: Tws; readonly answer: Promise<Resolved> }>()

  constructor(named: NamedContracts) {
    this.#named = named
  }

  /** What is known without asking. */
  known(symbol: string): Resolved | undefined {
    return this.#known.get(symbol)
  }

  /** What TWS is asked for, of a symbol. */
  wanted(symbol: string): IbkrContract {
    return contractOf(symbol, this.#named)
  }

  /** Symbols that have a name of their own, or have been asked for. */
  names(): readonly string[] {
    return [...new Set([...this.#named.keys(), ...this.#known.keys()])]
  }

  /** TWS says that what was known is not so: it is asked again the next time. */
  forget(symbol: string): void {
    this.#known.delete(symbol)
  }

  /**
   * @throws UNKNOWN_SYMBOL, AMBIGUOUS_SYMBOL with the names to choose from, VENUE_ERROR when TWS cannot say now,
   *   CONNECTION_LOST
   */
  resolve(tws: Tws, symbol: string): Promise<Resolved> {
    const known = this.#known.get(symbol)
    if (known) return Promise.resolve(known)
    const asked = this.#asked.get(symbol)
    if (asked?.tws === tws) return asked.answer
    const answer = this.#ask(tws, symbol).finally(() => {
      if (this.#asked.get(symbol)?.answer === answer) this.#asked.delete(symbol)
    })
    this.#asked.set(symbol, { tws, answer })
    return answer
  }

  async #ask(tws: Tws, symbol: string): Promise<Resolved> {
    const wanted = this.wanted(symbol)
    const found = await detailsOf(tws, asContract(wanted), symbol)
    const { contract, secType } = choose(symbol, wanted, found)
    const resolved = { symbol, contract, secType, trades: !QUOTED_ONLY.has(secType) }
    this.#known.set(symbol, resolved)
    return resolved
  }
}

/** All that TWS says of a contract: nothing where there is none. @throws VENUE_ERROR, CONNECTION_LOST, CLOSED */
export async function detailsOf(
  tws: Tws,
  contract: Contract,
  name: string,
  signal?: AbortSignal,
): Promise<ContractDetails[]> {
  const byId = new Map<number, ContractDetails>()
  const none = new TickwireError('UNKNOWN_SYMBOL', `IBKR has no contract for ${name}`)
  try {
    await tws.requests.ask(
      (ib, id) => ib.reqContractDetails(id, contract),
      done => ({
        details: details => {
          const { conId } = details.contract
          // Without its number it cannot be asked for.
          if (conId !== undefined && conId > 0) byId.set(conId, details)
        },
        detailsEnd: done,
      }),
      {
        ...{ what: `what ${name} is`, timeoutMs: TIMEOUT_MS, signal },
        judge: code => (code === 200 ? none : undefined),
      },
    )
  } catch (thrown) {
    if (thrown !== none) throw thrown
  }
  return [...byId.values()]
}

/** TWS's form of it. */
export function asContract(wanted: IbkrContract): Contract {
  const { month, primaryExchange, ...same } = wanted
  return {
    ...same,
    ...(month !== undefined && { lastTradeDateOrContractMonth: month }),
    ...(primaryExchange !== undefined && { primaryExch: primaryExchange }),
  } as Contract
}

/** The one contract that is meant. */
function choose(
  symbol: string,
  wanted: IbkrContract,
  found: readonly ContractDetails[],
): { contract: Contract; secType: string } {
  const dated = found.filter(({ contractMonth }) => contractMonth === wanted.month)
  const [only, ...others] = bearers(dated.length > 0 ? dated : found, wanted)
  if (!only) throw unknownSymbol(symbol)
  if (others.length > 0) throw ambiguous(symbol, [only, ...others])
  const { contract } = only
  const exchange = wanted.exchange ?? contract.exchange
  return {
    contract: { ...contract, ...(exchange !== undefined && { exchange }) },
    secType: contract.secType ?? wanted.secType,
  }
}

/** Futures and options of several sizes share a symbol: where one is called by it alone, as `SI` beside `SIL`, it is meant. */
function bearers(found: readonly ContractDetails[], { secType, symbol }: IbkrContract) {
  if (secType !== 'FUT' && secType !== 'OPT') return found
  const bearing = found.filter(({ contract }) => contract.tradingClass === symbol)
  return bearing.length === 1 ? bearing : found
}

function unknownSymbol(symbol: string): TickwireError {
  return new TickwireError('UNKNOWN_SYMBOL', `IBKR has no contract for ${symbol}`, {
    hint:
      'Stocks are written AAPL or NASDAQ:AAPL, pairs EUR/USD, futures CME:ES-202612 (or "ES 202612 CME"), options ' +
      `AAPL261218C00200000; anything else gets a name in ${NAMING}.`,
  })
}

function ambiguous(symbol: string, found: readonly ContractDetails[]): TickwireError {
  const names = namesOf(found).sort()
  const shown = names.slice(0, LISTED).join(', ')
  const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : ''
  return new TickwireError(
    'AMBIGUOUS_SYMBOL',
    `${symbol} may be ${found.length} contracts: ${shown}${more}`,
    {
      hint: `Write the one you mean, with its month or exchange, or give its conId a name of its own in ${NAMING}.`,
    },
  )
}

/** Each with what tells it from the others. */
function namesOf(found: readonly ContractDetails[]): string[] {
  const names = found.map(nameOf)
  return found.map(({ contract: { localSymbol, multiplier, conId } }, i) => {
    const name = names[i]!
    if (names.indexOf(name) === names.lastIndexOf(name)) return name
    return `${name} (${localSymbol}, multiplier ${multiplier || 1}, conId ${conId})`
  })
}

/** A name that can be given instead, where there is one. */
function nameOf({ contract, contractMonth }: ContractDetails): string {
  const { symbol, secType, exchange, primaryExch, currency, conId, localSymbol } = contract
  if (secType === 'FUT' && exchange && contractMonth) {
    return `${exchange}:${symbol}-${contractMonth}`
  }
  if (secType === 'STK' && primaryExch) return `${primaryExch}:${symbol} (${currency})`
  return `${localSymbol || symbol} ${secType} ${exchange} ${currency} (conId ${conId})`
}
