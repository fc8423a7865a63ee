/*
 * What the page and its worker say to each other. The worker holds the socket, decodes, and adds up; the page asks for
 * what has changed once a frame and paints it.
 */

export const INTERVALS = ['1s', '5s', '15s', '1m', '5m', '15m', '1h'] as const
export type ChartInterval = (typeof INTERVALS)[number]

export type ToWorker =
  | { readonly type: 'open'; readonly watch: readonly string[] | undefined }
  | { readonly type: 'watch'; readonly symbols: readonly string[] }
  | { readonly type: 'focus'; readonly symbol: string; readonly interval: ChartInterval }
  /** What has changed since the last time? Answered with one patch. */
  | { readonly type: 'frame' }
  /** Lines of the list that are in sight: their news come with each patch, those of the others once a second. */
  | { readonly type: 'sight'; readonly symbols: readonly string[] }
  /** Nobody looks: what is only to look at need not come. */
  | { readonly type: 'hidden'; readonly isHidden: boolean }
  | { readonly type: 'search'; readonly text: string; readonly ticket: number }
  /** Frames of a source behind one that is known: answered once. */
  | { readonly type: 'inspect'; readonly source: string; readonly after: number }
  /** Steers a recording. */
  | { readonly type: 'replay'; readonly how: ReplayOrder }
  /** The gateway wanted a key. */
  | { readonly type: 'key'; readonly key: string }

export interface ReplayOrder {
  readonly speed?: number | null
  readonly seek?: number
  readonly step?: number
  readonly isPaused?: boolean
}

/** Only what has changed. */
export interface Patch {
  readonly type: 'patch'
  readonly status?: Status | undefined
  /** In the order of the list. */
  readonly watch?: readonly string[] | undefined
  readonly rows?: readonly Row[] | undefined
  readonly sparks?: readonly Spark[] | undefined
  readonly chart?: ChartPatch | undefined
  readonly prints?: Prints | undefined
  readonly ladder?: Ladder | undefined
  readonly health?: Health | undefined
}

export interface Found {
  readonly type: 'found'
  readonly ticket: number
  readonly symbols: readonly { readonly symbol: string; readonly name?: string | undefined }[]
}

export type ToPage = Patch | Found | Inspected

export interface Status {
  readonly state: 'connecting' | 'open' | 'waiting' | 'closed'
  /** Why there is no connection, with the way out. */
  readonly reason?: string | undefined
  readonly needsKey: boolean
  /** Why the last key was refused. */
  readonly keyRefused?: string | undefined
  /** SIMULATED, REPLAY or DELAYED, in a sentence; none where prices are live. */
  readonly banner?: string | undefined
  readonly sources: readonly string[]
  readonly hasBooks: boolean
  /** The gateway's clock less that of this machine, ms. */
  readonly offsetMs: number
  /** Why there is no past to show. */
  readonly noPast?: string | undefined
}

export type RowState = 'loading' | 'live' | 'quiet' | 'stale' | 'gap' | 'offline' | 'refused'

/** One line of the watchlist. */
export interface Row {
  readonly symbol: string
  readonly source: string | undefined
  readonly state: RowState
  /** What is to be said about the state. */
  readonly note: string
  /** Decimals of its prices. */
  readonly digits: number
  readonly last: number | undefined
  /** Against the price before: 1 up, -1 down. */
  readonly tick: -1 | 0 | 1
  readonly change: number | undefined
  readonly percent: number | undefined
  /** What the change is against. */
  readonly base: 'close' | 'open'
  readonly bid: number | undefined
  readonly bidSize: number | undefined
  readonly ask: number | undefined
  readonly askSize: number | undefined
  readonly volume: number | undefined
  /** When something last came, epoch ms by the gateway's clock. */
  readonly at: number | undefined
  /** Of its exchange: `America/New_York`. */
  readonly zone: string | undefined
}

/** Closes of the last hour's minutes. */
export interface Spark {
  readonly symbol: string
  readonly closes: readonly number[]
}

/** A candle; `time` is its left edge, epoch ms. */
export interface Point {
  readonly time: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
  readonly vwap: number | undefined
  /** Its time still runs. */
  readonly isForming: boolean
}

/** Missing data; open until it is said what became of it. */
export interface GapSpan {
  readonly from: number
  readonly to: number
  readonly state: 'open' | 'repaired' | 'unrepaired'
}

/** Pinned to a time of the chart. */
export interface Mark {
  readonly at: number
  readonly kind: 'status' | 'cancel' | 'correction'
  readonly text: string
}

export interface ChartPatch {
  readonly symbol: string
  readonly source: string | undefined
  readonly interval: ChartInterval
  readonly digits: number
  /** All there are, or those that have changed. */
  readonly isWhole: boolean
  readonly points: readonly Point[]
  /** Of the day of the first point, what was before it, by minutes; with all there are. */
  readonly before: readonly Point[]
  readonly gaps: readonly GapSpan[]
  readonly marks: readonly Mark[]
}

export type Print =
  | {
      readonly kind: 'trade'
      readonly key: number
      readonly at: number
      readonly price: number
      readonly size: number
      readonly exchange: string | undefined
      /** The taker's side where the venue says it, else the tick. */
      readonly tick: -1 | 0 | 1
      readonly isRepaired: boolean
    }
  | {
      readonly kind: 'note'
      readonly key: number
      readonly at: number
      readonly text: string
      readonly isGap: boolean
    }

export interface Prints {
  readonly symbol: string
  /** All there are, or those that are new. */
  readonly isWhole: boolean
  /** Newest first. */
  readonly list: readonly Print[]
  /** How many there have been. */
  readonly count: number
}

export interface Ladder {
  readonly symbol: string
  /** Why its numbers are not to be trusted; none while the book is whole. */
  readonly unsynced: string | undefined
  /** Price and size, best first. */
  readonly bids: readonly (readonly [number, number])[]
  readonly asks: readonly (readonly [number, number])[]
}

export interface SourceHealth {
  readonly source: string
  readonly state: string
  readonly reason: string
  readonly lag: { readonly p50: number; readonly p95: number; readonly p99: number } | undefined
  /** Of its connection, epoch ms. */
  readonly since: number | undefined
  readonly connects: number
  /** Why the connection before ended. */
  readonly lost: string | undefined
  /** A second, lately. */
  readonly rate: number | undefined
  readonly bytesRate: number | undefined
  readonly openGaps: number
  readonly resyncs: number
  /** What of the limits of the account is in use. */
  readonly use: readonly string[]
  /** Who lost events by reading too slowly, and how many. */
  readonly slow: readonly (readonly [string, number])[]
  readonly timeline: readonly Happening[]
  /** Of this day. */
  readonly received: number
  readonly gaps: number
  readonly repaired: number
  readonly unrepaired: number
  readonly duplicates: number
  readonly quarantined: number
  readonly dropped: number
}

/** What became of a source. */
export interface Happening {
  readonly at: number
  readonly notice: string
  readonly message: string
}

/** A line of the account of the day. */
export interface LedgerLine {
  readonly source: string
  readonly symbol: string
  readonly kind: string
  readonly received: number
  readonly repaired: number
  readonly duplicates: number
  readonly quarantined: number
  readonly dropped: number
  readonly gaps: number
  readonly gapsRepaired: number
  readonly gapsUnrepaired: number
}

export interface Replay {
  readonly source: string
  readonly state: string
  readonly time?: number | undefined
  /** null: as fast as it goes. */
  readonly speed: number | null
}

export interface Health {
  readonly sources: readonly SourceHealth[]
  readonly stores: readonly {
    readonly name: string
    readonly state: string
    readonly behind: number
  }[]
  readonly ledger: readonly LedgerLine[]
  readonly clients: {
    readonly byProtocol: Readonly<Record<string, number>>
    readonly slow: number
    readonly dropped: number
    readonly conflated: number
  }
  /** The gateway has watched the sources since then, epoch ms. */
  readonly startedAt: number
  readonly replay: Replay | undefined
  /** Events a second on the tape. */
  readonly rate: number | undefined
  readonly seq: number
  readonly isRecording: boolean
  /** Why these may be old. */
  readonly failure: string | undefined
}

/** What came in one go, for whoever looks closely. */
export interface Chunk {
  readonly id: number
  readonly at: number
  readonly frames: readonly {
    readonly bytes: number
    readonly isBinary: boolean
    readonly data: string
  }[]
  readonly events: readonly Readonly<Record<string, unknown>>[]
}

export interface Inspected {
  readonly type: 'inspected'
  readonly source: string
  readonly hasFrames: boolean
  readonly chunks: readonly Chunk[]
  /** Why there is nothing. */
  readonly failure: string | undefined
}
