import type { VenueFacts } from '../../feed/provider.ts'

export const JSON_FACTS: VenueFacts = {
  protocol: 'WebSocket',
  format: 'JSON',
  auth: 'as configured',
  heartbeat: 'as configured',
  reconnect: 'as the vendor does',
  limits: 'as configured',
  freeTier: 'as of the vendor',
}
