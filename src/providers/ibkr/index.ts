import { type Clock, systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import type { Capabilities, Provider } from '../../feed/provider.ts'
import { ibkrCheck } from './check.ts'
import { IbkrConnection } from './connection.ts'
import { Contracts } from './contracts.ts'
import { deskOf } from './desk.ts'
import { IBKR_FACTS } from './facts.ts'
import { ibkrHistory } from './history.ts'
import { sharedPace } from './history-pace.ts'
import { ibkrInstruments } from './instruments.ts'
import type { OpenTcp } from './library.ts'
import { Ports } from './ports.ts'
import { BarTurns, TickTurns } from './room.ts'
import {
  DATA_TYPES,
  type IbkrDataType,
  isLate,
  type Memory,
  repairedKinds,
  type Settings,
} from './settings.ts'
import { type IbkrContract, ibkrSymbol, SEC_TYPES } from './symbols.ts'

export type { OpenTcp } from './library.ts'
export type { IbkrDataType } from './settings.ts'
export type { IbkrContract, IbkrSecType } from './symbols.ts'

export interface IbkrOptions {
  /** Where TWS or IB Gateway runs. @default '127.0.0.1' */
  readonly host?: string | undefined
  /** Its socket port: TWS 7496 live and 7497 paper, IB Gateway 4001 and 4002. @default 7497 */
  readonly port?: number | undefined
  /**
   * Whole number from 0 that no other program gives the same TWS. History that is asked for while no feed is connected
   * takes the next one.
   * @default 8425
   */
  readonly clientId?: number | undefined
  /**
   * `live` needs a subscription for each market; `delayed`, by 15 minutes, is free and has neither single trades nor
   * books; `frozen` and `delayed-frozen` say of a closed market what was last. Events that are not live carry the flag
   * `delayed`.
   * @default 'live'
   */
  readonly dataType?: IbkrDataType | undefined
  /** Which trades: `last` regular ones, as in bars; `all` with combos, derivatives and average prices. @default 'last' */
  readonly trades?: 'last' | 'all' | undefined
  /** Rows of a side of a book. @default 10 */
  readonly depth?: number | undefined
  /** What the account has at the same time; programs and TWS's own windows share it. */
  readonly budgets?:
    | {
        /** Market data lines: tickers, bars, quotes that find no room. @default 100 */
        readonly lines?: number
        /** Tick-by-tick streams: trades, quotes. @default 5 */
        readonly ticks?: number
        /** @default 3 */
        readonly books?: number
      }
    | undefined
  /** Names for contracts that no spelling covers: `{ SPX: { secType: 'IND', symbol: 'SPX', exchange: 'CBOE' } }`. */
  readonly contracts?: Readonly<Record<string, IbkrContract>> | undefined
  /** Another way to TWS than plain TCP: through a tunnel, or for tests. @default `net.connect` */
  readonly openTcp?: OpenTcp | undefined
  /** Time of questions about the past, for tests. @default the machine's, one for the whole process */
  readonly clock?: Clock | undefined
}

const MACHINE = systemClock()
const BUDGETS = { lines: 100, ticks: 5, books: 3 } as const
const LARGEST_ID = 2 ** 31 - 2

/**
 * Interactive Brokers, through TWS or IB Gateway on this machine or another: trades and quotes tick by tick as far as
 * there is room, tickers and quotes from market data lines beyond that, books, bars of 5 s, and the past of trades,
 * quotes and bars. docs/providers/ibkr.md says what to switch on.
 * @throws BAD_OPTION; BAD_SYMBOL for a name in `contracts`
 */
export function ibkr(options: IbkrOptions = {}): Provider {
  const settings = settingsOf(options)
  const { address, dataType, trades, named } = settings
  const clock = options.clock ?? MACHINE
  const memory: Memory = {
    ...{ ports: new Ports(address.port), ticks: new TickTurns(), bars: new BarTurns() },
  }
  const contracts = new Contracts(named)
  const account = `ibkr ${address.host}:${address.port} client ${address.clientId}`
  let live: IbkrConnection | undefined
  const desk = deskOf({ settings, memory, clock, live: () => live?.tws })
  const { history, latest } = ibkrHistory({
    ...{ id: 'ibkr', clock, contracts, trades, desk },
    pace: sharedPace(clock, account),
    symbol: text => ibkrSymbol(text),
  })
  return {
    id: 'ibkr',
    capabilities: capabilities(dataType),
    account,
    check: ibkrCheck({
      settings,
      clock,
      desk,
      use: () => (live?.tws.isOpen ? live.use : undefined),
    }),
    symbol: text => ibkrSymbol(text),
    connect: async link => {
      live = await IbkrConnection.open(link, settings, contracts, memory)
      return live
    },
    history,
    instruments: (signal, like) => ibkrInstruments({ contracts, desk }, signal, like),
    // The past is of now: a stream that is late by 15 minutes has nothing to be measured by it.
    ...(!isLate(dataType) && { latest }),
  }
}

function capabilities(dataType: IbkrDataType): Capabilities {
  const isDelayed = isLate(dataType)
  return {
    title: `Interactive Brokers${dataType === 'live' ? '' : ` (${dataType})`}`,
    kinds: ['trade', 'quote', 'ticker', 'bar', 'book'],
    barIntervals: ['5s'],
    wildcard: [],
    nature: isDelayed ? 'delayed' : 'live',
    wholeSeconds: true,
    auth: 'none',
    limits: {},
    history: repairedKinds(dataType),
    facts: IBKR_FACTS,
    silenceHint:
      'the market may be closed, or the account may lack the data: TWS shows the same contract with the same login; ' +
      "dataType: 'delayed' (TICKWIRE_IBKR_DATA) is free for most",
  }
}

function settingsOf(options: IbkrOptions): Settings {
  const { host = '127.0.0.1', port = 7_497, clientId = 8_425, dataType = 'live' } = options
  const { trades = 'last', depth = 10, budgets = {}, contracts = {} } = options
  if (host.trim() === '') throw new TickwireError('BAD_OPTION', 'host is empty')
  whole('port', port, 1, 65_535)
  whole('clientId', clientId, 0, LARGEST_ID)
  whole('depth', depth, 1, 100)
  if (!(dataType in DATA_TYPES)) {
    throw new TickwireError('BAD_OPTION', `no dataType ${JSON.stringify(dataType)}`, {
      hint: didYouMean(String(dataType), Object.keys(DATA_TYPES)),
    })
  }
  if (trades !== 'last' && trades !== 'all') {
    throw new TickwireError('BAD_OPTION', `trades cannot be ${JSON.stringify(trades)}`, {
      hint: "Choose 'last' or 'all'.",
    })
  }
  const given = { ...BUDGETS, ...budgets }
  for (const [name, value] of Object.entries(given)) whole(`budgets.${name}`, value, 0, 100_000)
  const named = new Map(
    Object.entries(contracts).map(([name, contract]) => {
      if (!SEC_TYPES.includes(contract.secType)) {
        throw new TickwireError('BAD_OPTION', `contracts.${name}: no secType ${contract.secType}`, {
          hint: didYouMean(String(contract.secType), SEC_TYPES),
        })
      }
      return [ibkrSymbol(name), contract]
    }),
  )
  const address = { host, port, clientId }
  return { address, dataType, trades, depth, budgets: given, named, openTcp: options.openTcp }
}

function whole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  const message = `${name} must be a whole number from ${least} to ${most}, not ${value}`
  throw new TickwireError('BAD_OPTION', message)
}
