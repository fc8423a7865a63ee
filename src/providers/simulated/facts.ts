import type { VenueFacts } from '../../feed/provider.ts'

export const SIMULATED_FACTS: VenueFacts = {
  protocol: 'none: it is in this process',
  format: 'none',
  auth: 'none',
  heartbeat: 'none',
  reconnect: 'there is nothing to lose',
  limits: 'the machine',
  freeTier: 'all of it: prices are invented',
}
