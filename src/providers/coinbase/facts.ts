import type { VenueFacts } from '../../feed/provider.ts'

export const COINBASE_FACTS: VenueFacts = {
  protocol: 'WebSocket (Advanced Trade), REST',
  format: 'JSON, prices as text',
  auth: 'none',
  heartbeat: 'the channel `heartbeats`, once a second',
  reconnect:
    'no fixed end; who subscribes to nothing for 5 s is let go, a silent channel after 60 to 90 s',
  limits:
    '8 attempts and 8 messages a second from an address; books of some 16 products a connection',
  freeTier: 'all of it',
  docs: 'https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview',
  changes: [
    {
      said: '`wss://ws-feed.pro.coinbase.com`, or the Exchange, has books by `level2` without a key.',
      now: 'The Exchange wants a login for `level2`, `level3` and `full`; Advanced Trade has whole books without one.',
      source: 'https://docs.cdp.coinbase.com/exchange/websocket-feed/channels',
    },
  ],
}
