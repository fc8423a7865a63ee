import type { VenueFacts } from '../../feed/provider.ts'

export const OPENALGO_FACTS: VenueFacts = {
  protocol: 'WebSocket and REST of your own OpenAlgo',
  format: 'JSON',
  auth: 'its API key, as the first message (REST: in the body)',
  heartbeat: 'WebSocket pings, of the server every 20 s',
  reconnect: "none of its own; what the broker's connection does is not told",
  limits: "the broker's",
  freeTier: 'OpenAlgo is free; the data is as of the broker',
  docs: 'https://docs.openalgo.in',
}
