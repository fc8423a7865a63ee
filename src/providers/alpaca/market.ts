import type { Capabilities } from '../../feed/provider.ts'
import type { EventType, Interval } from '../../market/events.ts'

/** The lists a subscription may hold. */
export type Channel =
  | 'trades'
  | 'quotes'
  | 'bars'
  | 'updatedBars'
  | 'dailyBars'
  | 'statuses'
  | 'lulds'
  | 'imbalances'
  | 'orderbooks'
  | 'news'

/** One endpoint of the stream. */
export interface FeedInfo {
  readonly path: string
  /** What it carries, for people. */
  readonly title: string
  readonly nature: Capabilities['nature']
  /** When it trades. @default pre, regular and post */
  readonly sessions?: Capabilities['sessions']
  /** Why it may be silent, and what to try. */
  readonly silence: string
  /** Only these of its market. @default all */
  readonly only?: { readonly channels: readonly Channel[]; readonly kinds: readonly EventType[] }
  /** Its trades are late, whatever its other data is. @default as `nature` says */
  readonly lateTrades?: boolean
}

/** A kind of thing that trades at Alpaca, and what its streams have in common. */
export interface Market {
  /** Default name of the source. */
  readonly id: string
  /** `stocks`, for titles. */
  readonly title: string
  readonly feeds: { readonly [feed: string]: FeedInfo }
  readonly defaultFeed: string
  /** The lists of a subscription, in the order of the venue's acknowledgements. */
  readonly channels: readonly Channel[]
  readonly kinds: readonly EventType[]
  readonly barIntervals: readonly Interval[]
  /** Kinds that can be had for all symbols at once. */
  readonly wildcard: readonly EventType[]
  /** Symbols one connection should carry. @default any number */
  readonly symbolsPerConnection?: number
  /** Canonical form of a symbol other than `*`; `undefined` for what is none here. */
  symbol(text: string): string | undefined
  /** What a message about symbols that are none says. */
  readonly wrongSymbol: { readonly message: string; readonly hint: string }
  /** As the venue writes a canonical symbol. @default as it is */
  toVenue?(symbol: string): string
}
