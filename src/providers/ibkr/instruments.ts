/**
 * What trades at IBKR, as its contract details say. There is no list of everything: what is known by name is described, or
 * what somebody looks for. https://interactivebrokers.github.io/tws-api/contract_details.html,
 * https://interactivebrokers.github.io/tws-api/matching_symbols.html
 */
import { TickwireError } from '../../base/errors.ts'
import type { Instrument, InstrumentKind } from '../../market/instruments.ts'
import { asContract, type Contracts, detailsOf } from './contracts.ts'
import type { Desk, OpenDesk } from './desk.ts'
import type { Contract, ContractDescription, ContractDetails } from './library.ts'
import { ibkrSymbol, symbolsOf } from './symbols.ts'

/** How long TWS may take to find names, ms. */
const TIMEOUT_MS = 15_000

const KINDS: Readonly<Record<string, InstrumentKind>> = {
  ...{ STK: 'equity', CRYPTO: 'crypto', CASH: 'forex', IND: 'index' },
  ...{ OPT: 'option', FOP: 'option', FUT: 'future', CONTFUT: 'future' },
}
const FUNDS = new Set(['ETF', 'ETN', 'ETC', 'ETP'])
/** Trading calendars, by where a contract is listed. */
const CALENDARS: Readonly<Record<string, string>> = {
  ...{ NASDAQ: 'us-equities', NYSE: 'us-equities', ARCA: 'us-equities', AMEX: 'us-equities' },
  ...{ BATS: 'us-equities', IEX: 'us-equities', PINK: 'us-equities', SEHK: 'hkex', NSE: 'nse' },
  ...{ CME: 'cme', CBOT: 'cme', NYMEX: 'cme', COMEX: 'cme', IDEALPRO: 'forex', PAXOS: 'always' },
}

/** A contract, and what it is called here, where that is known beforehand. */
interface Described {
  readonly details: ContractDetails
  readonly symbol?: string
}

export interface InstrumentsOptions {
  readonly contracts: Contracts
  readonly desk: OpenDesk
}

/** Symbols that were asked for and named by options; with `like`, what goes by that name. @throws as `Tws.open` */
export async function ibkrInstruments(
  { contracts, desk }: InstrumentsOptions,
  signal: AbortSignal | undefined,
  like: string | undefined,
): Promise<Instrument[]> {
  const found = await desk(signal)
  try {
    const described =
      like === undefined
        ? await allKnown(found, contracts, signal)
        : await searched(found, contracts, like, signal)
    return listOf(described)
  } finally {
    found.release()
  }
}

async function allKnown(
  { tws }: Desk,
  contracts: Contracts,
  signal: AbortSignal | undefined,
): Promise<Described[]> {
  const lists = await Promise.all(
    contracts.names().map(async symbol => {
      const contract = contracts.known(symbol)?.contract ?? asContract(contracts.wanted(symbol))
      const list = await detailsOf(tws, contract, symbol, signal)
      // What may be several contracts is no symbol: nobody could subscribe to it.
      return list.length === 1 ? [{ details: list[0]!, symbol }] : []
    }),
  )
  return lists.flat()
}

async function searched(
  { tws }: Desk,
  contracts: Contracts,
  like: string,
  signal: AbortSignal | undefined,
): Promise<Described[]> {
  const symbol = meantBy(like)
  const wanted = symbol === undefined ? undefined : asContract(contracts.wanted(symbol))
  const [exact, samples] = await Promise.all([
    wanted ? detailsOf(tws, wanted, like, signal) : [],
    samplesOf(like),
  ])
  const seen = new Set(exact.map(({ contract }) => contract.conId))
  const others = await Promise.all(
    samples
      .filter(({ contract: { conId } = {} }) => conId !== undefined && !seen.has(conId))
      .map(({ contract }) => detailsOf(tws, { conId: contract!.conId } as Contract, like, signal)),
  )
  const isOne = exact.length === 1 && symbol !== undefined
  return [
    ...exact.map(details => ({ details, ...(isOne && { symbol }) })),
    ...others.flat().map(details => ({ details })),
  ]

  async function samplesOf(pattern: string): Promise<readonly ContractDescription[]> {
    let list: readonly ContractDescription[] = []
    await tws.requests.ask(
      (ib, id) => ib.reqMatchingSymbols(id, pattern),
      done => ({
        samples: samples => {
          list = samples
          done()
        },
      }),
      { what: `what goes by ${pattern}`, timeoutMs: TIMEOUT_MS, signal },
    )
    return list
  }
}

/** The symbol a text stands for; none where it is a part of a name. */
function meantBy(text: string): string | undefined {
  try {
    return ibkrSymbol(text)
  } catch (thrown) {
    if (thrown instanceof TickwireError && thrown.code === 'BAD_SYMBOL') return undefined
    throw thrown
  }
}

/** Each under a symbol of its own: the shortest that is nobody else's. */
function listOf(described: readonly Described[]): Instrument[] {
  const named = described.map(({ details, symbol }) => ({
    details,
    names: symbol === undefined ? symbolsOf(details.contract, details.contractMonth) : [symbol],
  }))
  const claims = new Map<string, number>()
  for (const { names } of named) {
    for (const name of names) claims.set(name, (claims.get(name) ?? 0) + 1)
  }
  const list = new Map<string, Instrument>()
  for (const { details, names } of named) {
    const symbol = names.find(name => claims.get(name) === 1) ?? names.at(-1)
    const instrument = symbol === undefined ? undefined : instrumentOf(symbol, details)
    if (instrument && !list.has(instrument.symbol)) list.set(instrument.symbol, instrument)
  }
  return [...list.values()]
}

/** `undefined` for what is of no kind there is: bonds, contracts for difference and the like. */
function instrumentOf(symbol: string, details: ContractDetails): Instrument | undefined {
  const { contract, longName, minTick, sizeIncrement, priceMagnifier = 1, stockType } = details
  const { conId, currency, exchange = '', primaryExch, secType = '' } = contract
  const kind = FUNDS.has(stockType ?? '') ? 'etf' : KINDS[secType]
  if (!kind || !isStep(conId)) return undefined
  const multiplier = Number(contract.multiplier)
  const calendar = CALENDARS[primaryExch || exchange]
  // Prices of some are in hundredths of the currency: of pence nothing says the name.
  const money = priceMagnifier === 1 || priceMagnifier === 0 ? currency : undefined
  return {
    ...{ symbol, kind },
    ...(longName && { name: longName }),
    ...(isStep(minTick) && { tickSize: minTick }),
    ...(isStep(sizeIncrement) && { lotSize: sizeIncrement }),
    ...(money && { currency: money }),
    ...(isStep(multiplier) && { multiplier }),
    ...(calendar !== undefined && { calendar }),
    vendorNames: { ibkr: String(conId) },
  }
}

const isStep = (value: number | undefined): value is number =>
  value !== undefined && value > 0 && value < 1e300
