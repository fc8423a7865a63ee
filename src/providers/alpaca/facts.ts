import type { VenueFacts } from '../../feed/provider.ts'

export const ALPACA_FACTS: VenueFacts = {
  protocol: 'WebSocket, REST',
  format: 'msgpack or JSON',
  auth: 'key and secret, in a message (REST: in headers)',
  heartbeat: 'WebSocket pings of the client, every 10 s',
  reconnect:
    'a connection cut without a closing handshake keeps its place for about 90 s: error 406 until then',
  limits: 'one connection to each feed, 5 on broker plans; 16 KiB a request',
  freeTier:
    'IEX stocks (30 symbols of trades and quotes), crypto, indicative options, news; REST 200 questions a minute',
  docs: 'https://docs.alpaca.markets/docs/streaming-market-data',
  changes: [
    {
      said: 'Crypto streams at `/v1beta2/crypto`.',
      now: 'That path answers 404; it is `/v1beta3/crypto/us` (also `us-1`, `eu-1`).',
      source: 'https://docs.alpaca.markets/docs/real-time-crypto-pricing-data',
    },
    {
      said: 'Pairs are one word, `BTCUSD`.',
      now: 'Pairs have a slash, `BTC/USD`.',
      source: 'https://docs.alpaca.markets/docs/real-time-crypto-pricing-data',
    },
  ],
}
