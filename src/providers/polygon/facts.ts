import type { VenueFacts } from '../../feed/provider.ts'

export const POLYGON_FACTS: VenueFacts = {
  protocol: 'WebSocket, REST',
  format: 'JSON',
  auth: 'a key, as the first message (REST: in a header)',
  heartbeat: 'WebSocket pings of the client',
  reconnect: 'one connection to a market for each key: another is refused (`max_connections`)',
  limits:
    'one connection to a market, three on business plans; 1,000 contracts of quotes of options',
  freeTier: 'no stream; REST 5 questions a minute',
  docs: 'https://massive.com/docs/websocket',
  changes: [
    {
      said: 'Polygon.io, `wss://socket.polygon.io`.',
      now: 'Called Massive since 2025-10-30, `wss://socket.massive.com`; the protocol, the old hosts and keys go on working.',
      source: 'https://massive.com',
    },
    {
      said: 'A free key streams.',
      now: 'A stream takes a paid plan.',
      source: 'https://massive.com/pricing',
    },
  ],
}
