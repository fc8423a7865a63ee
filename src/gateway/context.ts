import type { IncomingMessage } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Feed } from '../feed/feed.ts'
import type { LedgerRow } from '../feed/ledger.ts'
import type { Provider } from '../feed/provider.ts'
import type { History } from '../store/store.ts'
import type { TapeReader } from '../tape/tape.ts'

/** A running feed as the gateway sees it. */
export interface GatewayFeed
  extends Pick<Feed, 'source' | 'capabilities' | 'state' | 'health' | 'stats' | 'hold'> {
  /** What the venue can be asked beside its stream; of a recording, how it plays. */
  readonly provider: Pick<Provider, 'id' | 'instruments' | 'latest' | 'symbol'> & Partial<Player>
  /** The venue's own frames, and what they come to; absent, they are not shown. */
  readonly raw?: Feed['raw']
  readonly pipe?: Feed['pipe']
}

/** A recording as a source: `replay` in `providers/replay` has these. */
export interface Player {
  /** `idle`, `playing`, `paused` or `ended`. */
  readonly state: string
  /** How far it has been played, epoch ms. */
  readonly time: number | undefined
  speed: number
  pause(): void
  resume(): void
  step(count?: number): Promise<number>
  /** @throws BAD_OPTION for a time outside of it */
  seek(time: number): void
}

/** A store that follows the tape, as it is now. */
export interface StoreState {
  readonly name: string
  readonly state: string
  /** Number on the tape it has come to. */
  readonly seq: number | undefined
  /** Written events it lacks. */
  readonly behind: number
  /** How long ago the oldest of them was received, ms; `undefined` while that is not known. */
  readonly lagMs: number | undefined
  readonly error: Error | undefined
}

/** What is held of a symbol; below 0 it is sold short. */
interface Held {
  readonly symbol: string
  readonly quantity: number
}

/** An account at a broker, as it is now. What the broker has not told yet is absent. */
export interface AccountInfo {
  readonly name: string
  readonly kind: 'paper' | 'live'
  readonly phase: 'connecting' | 'ready' | 'killed' | 'stopped' | 'closed'
  /** Why it takes no orders. */
  readonly why: string | undefined
  readonly id: string | undefined
  readonly currency: string | undefined
  readonly cash: number | undefined
  readonly equity: number | undefined
  readonly buyingPower: number | undefined
  readonly lostToday: number | undefined
  readonly limits: object
  readonly bots: readonly { readonly bot: string; readonly positions: readonly Held[] }[]
  /** Held, but not by bots. */
  readonly others: readonly Held[]
  readonly openOrders: readonly {
    readonly id: string
    readonly bot: string
    readonly symbol: string
    readonly side: 'buy' | 'sell'
    readonly type: string
    readonly quantity: number
    readonly filled: number
    readonly status: string
    readonly limitPrice: number | undefined
    readonly stopPrice: number | undefined
  }[]
}

/** The accounts of this process, and the switch that stops those of the data folder. */
export interface AccountsView {
  states(): readonly AccountInfo[]
  readonly killed: { readonly why: string; readonly flatten: boolean } | undefined
  /** Nothing is sent any more until {@link release}; what is open is canceled, with `flatten` what bots hold is closed. */
  kill(why: string, flatten: boolean): void
  release(): void
}

/** What a gateway shows to others, wired by `openApp`. */
export interface GatewayContext {
  readonly tape: TapeReader
  readonly feeds: readonly GatewayFeed[]
  /** The past, with all that was written when it was asked for; absent where nothing is stored. */
  readonly history:
    | ((signal: AbortSignal) => Promise<{ readonly store: History; readonly behind: number }>)
    | undefined
  readonly stores: () => readonly StoreState[]
  /** The account of the days at hand; none where nothing is recorded. */
  readonly ledger: () => readonly LedgerRow[]
  readonly isRecording: () => boolean
  /** Absent where no bots can run. */
  readonly accounts?: AccountsView | undefined
  readonly clock: Clock
  readonly log: Log
}

export const SCOPES = ['read', 'history', 'trade', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** Somebody who was let in, for as long as one connection or request lasts. */
export interface Guest {
  /** The key's name, or `anonymous`. */
  readonly name: string
  readonly scopes: ReadonlySet<Scope>
  /** Most symbols one connection may have; `*` counts as one. @default any number */
  readonly maxSymbols?: number | undefined
  /** Aborts when the key is revoked; the reason is a {@link TickwireError}. */
  readonly revoked?: AbortSignal | undefined
  /** To be called once, when the connection or request is over: it counts no more. */
  leave(): void
}

/** Who is let in: looks at Host, Origin, address and key. What it throws is told to whoever asked, with its hint. */
export interface Access {
  /**
   * A connection that asks to become a WebSocket. A guest, or `undefined` where it may come in but has to show a key in its
   * first message.
   * @throws TickwireError; {@link statusOf} is what HTTP answers
   */
  upgrade(request: IncomingMessage): Guest | undefined
  /** The key of a first message. @throws TickwireError */
  authenticate(key: string, request: IncomingMessage): Guest
  /** The HTTP status of a refusal. */
  statusOf(error: TickwireError): number
  /** Lets go of what it watches; the gateway calls it at its end. */
  close(): void
}
