import type { EventType, MarketEvent } from '../../src/market/events.ts'
import type {
  Answered,
  ClientSubscription,
  GatewayClient,
  StreamRequest,
  TickwireError,
} from '../../src/providers/tickwire/client-browser.ts'

export interface ShelfListener {
  batch(events: readonly MarketEvent[], isSnapshot: boolean): void
  answered?(answer: Answered): void
  refused?(symbols: readonly string[], reason: TickwireError): void
}

/**
 * Subscriptions to the same kinds for a list that changes: what is added is a subscription more, so nothing that runs is
 * begun anew; one ends with the last of its symbols.
 */
export class Shelves {
  readonly #client: GatewayClient
  readonly #request: Omit<StreamRequest, 'symbols'>
  readonly #listener: ShelfListener
  readonly #open = new Map<ClientSubscription, Set<string>>()

  constructor(
    client: GatewayClient,
    request: Omit<StreamRequest, 'symbols'> & { readonly kinds: readonly EventType[] },
    listener: ShelfListener,
  ) {
    this.#client = client
    this.#request = request
    this.#listener = listener
  }

  /** From now on these symbols. */
  want(symbols: readonly string[]): void {
    const wanted = new Set(symbols)
    const held = new Set<string>()
    for (const [subscription, own] of this.#open) {
      for (const symbol of own) {
        if (wanted.has(symbol)) held.add(symbol)
        else own.delete(symbol)
      }
      if (own.size > 0) continue
      subscription.close()
      this.#open.delete(subscription)
    }
    const fresh = symbols.filter(symbol => !held.has(symbol))
    if (fresh.length === 0 || this.#request.kinds.length === 0) return
    const { batch, answered, refused } = this.#listener
    const subscription = this.#client.subscribe(
      { ...this.#request, symbols: fresh },
      {
        batch,
        ...(answered && { answered }),
        refused: reason => {
          this.#open.delete(subscription)
          if (reason.code !== 'CLOSED') refused?.(fresh, reason)
        },
      },
    )
    this.#open.set(subscription, new Set(fresh))
  }
}
