import type { Timer } from '../../base/clock.ts'
import type { ConnectionContext, Inbox } from '../../feed/description.ts'
import type { Topic } from '../../market/topics.ts'

/** So long after the last status of a request the missing ones are not coming any more, ms. */
const QUIET_MS = 1_000

/**
 * What the venue has said of the subscriptions of one connection, counted against what was asked.
 * https://massive.com/docs/websocket/quickstart
 *
 * 1. A pair that is granted is named: `subscribed to: T.AAPL`. All of a request may come in one frame or one by one.
 * 2. A pair the plan lacks is answered by an error that names nothing, perhaps ahead of what is granted of the same
 *    request. So one request is asked at a time, and when as many errors have come as pairs are left, or nothing more
 *    comes for a while, those left are the refused ones.
 * 3. A pair that is held already is not confirmed again.
 * 4. A channel that does not exist is answered by nothing at all: the request lapses.
 */
export class Statuses {
  readonly #pairOf: (topic: Topic) => string | undefined
  #context: Pick<ConnectionContext, 'clock' | 'signal' | 'control'> | undefined
  /** Pairs the venue sends. */
  readonly #held = new Set<string>()
  /** Of the request under way: pairs without an answer, and the errors that have come. */
  #left = new Set<string>()
  #errors = 0
  #said = ''
  /** Whether something was granted in the frame at hand. */
  #granted = false
  #timer: Timer | undefined

  /** `pairOf` gives the pair a topic comes over. */
  constructor(pairOf: (topic: Topic) => string | undefined) {
    this.#pairOf = pairOf
  }

  /** The connection this is about. */
  attach(context: Pick<ConnectionContext, 'clock' | 'signal' | 'control'>): void {
    this.#context = context
    context.signal.addEventListener('abort', () => this.#timer?.cancel(), { once: true })
  }

  /** A request for these leaves now. */
  asked(pairs: readonly string[]): void {
    this.#timer?.cancel()
    this.#left = new Set(pairs.filter(pair => !this.#held.has(pair)))
    this.#errors = 0
    if (this.#left.size === pairs.length) return
    queueMicrotask(() => this.#context?.control({ type: 'confirmed', covers: this.#isHeld }))
  }

  /** These are let go now. */
  released(pairs: readonly string[]): void {
    for (const pair of pairs) this.#held.delete(pair)
  }

  granted(pair: string): void {
    this.#held.add(pair)
    this.#left.delete(pair)
    this.#granted = true
  }

  /** An error that names nothing; false when there is nothing it could be about. */
  refused(message: string): boolean {
    if (this.#left.size === 0) return false
    this.#errors++
    this.#said = message
    return true
  }

  /** The frame at hand is read. */
  settle(inbox: Pick<Inbox, 'control'>): void {
    if (this.#granted) inbox.control({ type: 'confirmed', covers: this.#isHeld })
    if (this.#errors > 0) {
      this.#timer?.cancel()
      if (this.#errors >= this.#left.size) this.#refuse(inbox)
      else this.#timer = this.#context?.clock.setTimeout(() => this.#late(), QUIET_MS)
    }
    this.#granted = false
  }

  #late(): void {
    if (this.#context) this.#refuse(this.#context)
  }

  #refuse(inbox: Pick<Inbox, 'control'>): void {
    const refused = this.#left
    this.#left = new Set()
    this.#errors = 0
    if (refused.size === 0) return
    const covers = (topic: Topic) => refused.has(this.#pairOf(topic) ?? '')
    inbox.control({ type: 'error', code: undefined, name: 'error', message: this.#said, covers })
  }

  readonly #isHeld = (topic: Topic) => this.#held.has(this.#pairOf(topic) ?? '')
}
