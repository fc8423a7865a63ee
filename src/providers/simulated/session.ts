/** What the time of day makes of every stock. */
export interface Session {
  /** Factor of spreads. */
  readonly spread: number
  /** Factor of price steps. */
  readonly volatility: number
  /** Before the opening or after the close: trades carry `T`. */
  readonly extended: boolean
}

/** The session of a market that never sleeps. */
export const LIVE_SESSION: Session = { spread: 1, volatility: 1, extended: false }
