import type { EventType } from '../../market/events.ts'
import type { OpenTcp } from './library.ts'
import type { Ports } from './ports.ts'
import type { BarTurns, TickTurns } from './room.ts'
import type { NamedContracts } from './symbols.ts'
import type { Address } from './tws.ts'

/** How much of each kind an account may have at the same time. */
export interface Budgets {
  readonly lines: number
  readonly ticks: number
  readonly books: number
}

/** TWS's numbers of the types of data. https://interactivebrokers.github.io/tws-api/market_data_type.html */
export const DATA_TYPES = { live: 1, frozen: 2, delayed: 3, 'delayed-frozen': 4 } as const
export type IbkrDataType = keyof typeof DATA_TYPES
/** It comes 15 minutes late. */
export const isLate = (dataType: IbkrDataType) => DATA_TYPES[dataType] > DATA_TYPES.frozen

/** Kinds whose holes are filled in from history, which is of now: late data has nothing to be filled in by. */
export const repairedKinds = (dataType: IbkrDataType): readonly EventType[] =>
  isLate(dataType) ? [] : ['trade', 'bar']
export const IBKR_DATA_TYPES = Object.keys(DATA_TYPES) as readonly IbkrDataType[]

/** What the options come to. */
export interface Settings {
  readonly address: Address
  readonly dataType: IbkrDataType
  /** `Last` or `AllLast`. */
  readonly trades: 'last' | 'all'
  /** Rows of a side of a book. */
  readonly depth: number
  readonly budgets: Budgets
  readonly named: NamedContracts
  readonly openTcp: OpenTcp | undefined
}

/** What outlives a connection. */
export interface Memory {
  /** TWS may move. */
  readonly ports: Ports
  readonly ticks: TickTurns
  readonly bars: BarTurns
}
