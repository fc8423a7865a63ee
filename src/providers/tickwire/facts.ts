import type { VenueFacts } from '../../feed/provider.ts'

export const TICKWIRE_FACTS: VenueFacts = {
  protocol: 'WebSocket, the native protocol (docs/protocols/native.md)',
  format: 'blocks of columns, msgpack or JSON',
  auth: 'none on the same machine, else a key as the first message (`tickwire keys create`)',
  heartbeat: 'the gateway says where its tape stands every 5 s, and pings',
  reconnect: 'behind the last event: nothing missing, nothing twice, or a notice of what is',
  limits: '1,000 subscriptions and 20,000 symbols a connection; a key may have less',
  freeTier: 'it is yours',
}
