import type { VenueFacts } from '../../feed/provider.ts'

export const ALLTICK_FACTS: VenueFacts = {
  protocol: 'WebSocket, REST',
  format: 'JSON with numbered commands',
  auth: 'a token, in the address',
  heartbeat: 'command 22000 every 10 s; without one for 30 s it cuts',
  reconnect:
    'a connection above the plan is cut at once, the older stays; 3 s between the first requests of two',
  limits:
    'free 1 connection with 5 codes, basic 100, premium 3 of 200, professional 10 of 3,000; one request a second',
  freeTier: '5 codes on one connection; REST one question in 10 s',
  docs: 'https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api',
  changes: [
    {
      said: 'Articles connect to `wss://api.alltick.co/…` and send `{"action":"subscribe","symbols":[…]}`.',
      now: 'No documentation and no client of the vendor knows that address or message; the documented one is `wss://quote.alltick.co/quote-stock-b-ws-api` with numbered commands. The provider `json` can read the other.',
      source:
        'https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api',
    },
  ],
}
