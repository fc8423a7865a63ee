import type { MarketEvent } from '../market/events.ts'
import type { Inbox } from './description.ts'
import { type Interest, KIND_BIT } from './provider.ts'

/** Leaves out what nobody has subscribed, for decoders that give all they find. */
export class Selection {
  readonly #interest: Interest
  #revision = Number.NaN
  /** The last symbol, and what is wanted of it: mostly the next event is of the same. */
  #symbol: string | undefined
  #mask = 0

  constructor(interest: Interest) {
    this.#interest = interest
  }

  has(event: MarketEvent): boolean {
    const { type, symbol } = event
    if (type === 'notice') return true
    if (type === 'news') return this.#hasNews(event)
    if (symbol !== this.#symbol || this.#interest.revision !== this.#revision) {
      this.#revision = this.#interest.revision
      this.#symbol = symbol
      this.#mask = this.#interest.mask(symbol)
    }
    return (this.#mask & KIND_BIT[type]) !== 0
  }

  /** An inbox that takes what is wanted. */
  before(inbox: Inbox): Inbox {
    return {
      event: event => {
        if (this.has(event)) inbox.event(event)
      },
      control: message => inbox.control(message),
      malformed: reason => inbox.malformed(reason),
      unknown: kind => inbox.unknown(kind),
    }
  }

  /** An article may name several symbols, or none: that one concerns whoever wants all. */
  #hasNews({ symbols }: MarketEvent & { type: 'news' }): boolean {
    const names = symbols.length > 0 ? symbols : ['']
    return names.some(name => (this.#interest.mask(name) & KIND_BIT.news) !== 0)
  }
}
