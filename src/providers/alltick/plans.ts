/** What each plan may. https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api/blob/main/websocket_interface/interface_limitation.md */
export const PLANS = {
  free: { connections: 1, codes: 5, perInterfaceMs: 10_000, perMinute: 10, batch: 5 },
  basic: { connections: 1, codes: 100, perInterfaceMs: 1_000, perMinute: 60, batch: 50 },
  premium: { connections: 3, codes: 200, perInterfaceMs: 100, perMinute: 600, batch: 50 },
  professional: { connections: 10, codes: 3_000, perInterfaceMs: 50, perMinute: 1_200, batch: 50 },
} as const
/** Those for one country's stocks are as `professional`. */
export type AllTickPlan = keyof typeof PLANS

/** Two endpoints, each with codes of its own. */
export const MARKETS = {
  stocks: { stream: '/quote-stock-b-ws-api', rest: '/quote-stock-b-api' },
  forex: { stream: '/quote-b-ws-api', rest: '/quote-b-api' },
} as const
/** `forex` has metals, oil, indices as contracts for difference, and crypto too. */
export type AllTickMarket = keyof typeof MARKETS

export const HOST = 'wss://quote.alltick.co'
/** Where a user gets a token. */
export const TOKEN_PAGE = 'https://alltick.co'

/** Requests of one connection: at most one a second. */
export const REQUEST_MS = 1_100
/** Between the first requests of two connections of a token. */
export const CONNECT_MS = 3_100
