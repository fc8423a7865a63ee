import type { EventType } from '../market/events.ts'

/** Kinds of events by the name of the method that subscribes to them. */
export const CHANNELS = {
  trades: 'trade',
  quotes: 'quote',
  tickers: 'ticker',
  bars: 'bar',
  books: 'book',
  statuses: 'status',
  lulds: 'luld',
  imbalances: 'imbalance',
  corrections: 'correction',
  cancels: 'cancel',
  news: 'news',
} as const satisfies Record<string, EventType>

export type Channel = keyof typeof CHANNELS
