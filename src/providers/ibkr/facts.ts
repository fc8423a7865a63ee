import type { VenueFacts } from '../../feed/provider.ts'

export const IBKR_FACTS: VenueFacts = {
  protocol: 'TCP to TWS or IB Gateway on your side',
  format: 'fields separated by zero bytes',
  auth: 'the login of TWS or IB Gateway',
  heartbeat: 'a question for the time',
  reconnect:
    'TWS restarts once a day and asks for a login once a week; it keeps the socket while it has lost IBKR itself',
  limits:
    '100 market data lines, 3 books and 5 streams of ticks at the same time; 50 messages a second',
  freeTier: 'delayed prices (15 minutes), with an account',
  docs: 'https://interactivebrokers.github.io/tws-api/',
}
