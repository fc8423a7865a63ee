import type { VenueFacts } from '../../feed/provider.ts'

export const KRAKEN_FACTS: VenueFacts = {
  protocol: 'WebSocket v2, REST',
  format: 'JSON, prices as numbers',
  auth: 'none',
  heartbeat: 'one from the venue each second when nothing else comes; pings as messages',
  reconnect:
    'no fixed end; a client that is silent for a minute is let go; about 150 attempts in ten minutes from an address',
  limits: 'not published; REST about one question a second',
  freeTier: 'all of it',
  docs: 'https://docs.kraken.com/api/docs/guides/spot-ws-intro',
  changes: [
    {
      said: 'Bitcoin is `XBT/USD`, messages are arrays with a channel number (v1).',
      now: 'v2 says `BTC/USD` and sends maps; books have a checksum over ten levels of numbers as written.',
      source: 'https://docs.kraken.com/api/docs/guides/spot-ws-intro',
    },
  ],
}
