import type { VenueFacts } from '../../feed/provider.ts'

export const BINANCE_FACTS: VenueFacts = {
  protocol: 'WebSocket, REST',
  format: 'JSON, prices as text',
  auth: 'none',
  heartbeat: 'WebSocket pings of the venue every 20 s',
  reconnect: 'a connection ends after 24 h; 300 attempts in 5 minutes from an address',
  limits:
    '1,024 streams a connection, 5 messages a second; REST 6,000 weight a minute from an address',
  freeTier: 'all of it, but not in every country (HTTP 451)',
  docs: 'https://github.com/binance/binance-spot-api-docs',
  changes: [
    {
      said: 'The venue pings every 3 minutes and waits 10.',
      now: 'Every 20 s, and waits a minute.',
      source: 'https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md',
    },
    {
      said: '`!ticker@arr` and `!bookTicker` have all symbols in one stream.',
      now: 'Retired on 2026-03-26 and in 2022.',
      source: 'https://github.com/binance/binance-spot-api-docs/blob/master/CHANGELOG.md',
    },
  ],
}
