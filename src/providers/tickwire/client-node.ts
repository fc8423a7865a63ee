import { openWebSocket } from '../../base/socket.ts'
import { type ClientOptions, type GatewayClient, openClient } from './client.ts'

export { TickwireError } from '../../base/errors.ts'
export type * from '../../market/events.ts'
export type {
  ClientOptions,
  ClientState,
  ClientStatus,
  EventHandler,
  GatewayClient,
} from './client.ts'
export type * from './messages.ts'
export type { ClientStream, ClientSubscription, StreamListener } from './subscription.ts'

/**
 * Connects to a gateway (`tickwire serve`), reconnects and resumes by itself.
 *
 * ```js
 * import { connect } from 'tickwire/client'
 * const client = connect('ws://127.0.0.1:8425')
 * for await (const trade of client.subscribe({ kinds: ['trade'], symbols: ['SPY'] })) console.log(trade.price)
 * ```
 * @throws BAD_OPTION for a URL or encoding that cannot be
 */
export function connect(options: string | ClientOptions = {}): GatewayClient {
  const given = typeof options === 'string' ? { url: options } : options
  return openClient({ openSocket: openWebSocket, ...given })
}
