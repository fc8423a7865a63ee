import type { Clock, Timer } from '../base/clock.ts'
import { formatTopic, type Topic } from '../market/topics.ts'
import type { Answer, Frame, Request, WebSocketDescription } from './description.ts'

export interface RequestHooks {
  send(frame: Frame): void
  /** All that is asked for or granted. */
  held(): Iterable<Topic>
  /** The venue has not answered for these in time (`serialMs`). */
  lapsed(topics: readonly Topic[]): void
}

interface Asked {
  /** What answers repeat; absent: they come in order, or name topics. */
  readonly id: number | undefined
  left: readonly Topic[]
}

/** What one connection asks of its venue, at the pace the venue takes, and what of it has not been answered yet. */
export class Requests {
  readonly #rules: Pick<WebSocketDescription, 'pace' | 'serialMs'>
  readonly #clock: Clock
  readonly #hooks: RequestHooks
  readonly #queue: Request[] = []
  /** Topics of the requests in the queue. */
  readonly #waiting = new Set<string>()
  /** Sent, oldest first. */
  readonly #unanswered: Asked[] = []
  /** When the last messages left, as many as the pace counts; of all connections that share it. */
  readonly #sent: number[]
  #turn: Timer | undefined
  #deadline: Timer | undefined
  #ids = 0

  constructor(
    rules: Pick<WebSocketDescription, 'pace' | 'serialMs'>,
    clock: Clock,
    hooks: RequestHooks,
  ) {
    this.#rules = rules
    this.#clock = clock
    this.#hooks = hooks
    this.#sent = sentBy(clock, rules.pace?.shared)
  }

  /** Sends these, in this order, each when its turn has come. */
  ask(requests: readonly Request[]): void {
    for (const request of requests) {
      this.#queue.push(request)
      for (const topic of request.topics) this.#waiting.add(formatTopic(topic))
    }
    this.#pump()
  }

  /** Whether a request for this has not been sent yet, and nothing been said to the contrary since. */
  awaits(topic: Topic): boolean {
    return this.#waiting.has(formatTopic(topic))
  }

  /** These are being let go, behind all that waits. */
  release(topics: readonly Topic[]): void {
    for (const topic of topics) this.#waiting.delete(formatTopic(topic))
  }

  /** Sends something that waits for nothing. */
  sendNow(frame: Frame): void {
    this.#hooks.send(frame)
    this.#count()
  }

  /** Something has left that counts as a message. */
  #count(): void {
    const { pace } = this.#rules
    if (!pace) return
    this.#sent.push(this.#clock.now())
    if (this.#sent.length > pace.messages) this.#sent.shift()
  }

  /** A WebSocket ping has left: venues that count messages count it. */
  pinged(): void {
    this.#count()
  }

  /** Whether nothing that was sent waits for an answer. */
  get idle(): boolean {
    return this.#unanswered.length === 0
  }

  /** The topics an answer is about, which wait no longer; none where it answers nothing that was asked. */
  take({ id, covers }: Answer = {}): Topic[] {
    const found: Topic[] = []
    const oldest = id === undefined && !covers
    for (const asked of oldest ? this.#unanswered.slice(0, 1) : [...this.#unanswered]) {
      if (id !== undefined && asked.id !== id) continue
      const left: Topic[] = []
      for (const topic of asked.left) (!covers || covers(topic) ? found : left).push(topic)
      // One that lets go has no topics: only an answer without names is its own.
      const done = left.length === 0 && (!covers || asked.left.length > 0)
      asked.left = left
      if (done) this.#unanswered.splice(this.#unanswered.indexOf(asked), 1)
    }
    if (this.#unanswered.length === 0) this.#deadline?.cancel()
    this.#pump()
    return found
  }

  close(): void {
    this.#queue.length = 0
    this.#turn?.cancel()
    this.#deadline?.cancel()
  }

  get #serial(): boolean {
    return this.#rules.serialMs !== undefined
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      if (this.#serial && this.#unanswered.length > 0) return
      if (this.#turn) return
      const wait = this.#wait()
      if (wait > 0) {
        this.#turn = this.#clock.setTimeout(() => {
          this.#turn = undefined
          this.#pump()
        }, wait)
        return
      }
      const { topics, frame } = this.#queue.shift()!
      const id = typeof frame === 'function' ? ++this.#ids : undefined
      for (const topic of topics) this.#waiting.delete(formatTopic(topic))
      // An answer to a request that lets go says nothing; but where answers come in order, it has to be waited for.
      if (topics.length > 0 || (id === undefined && !this.#serial)) {
        this.#unanswered.push({ id, left: topics })
      }
      if (this.#serial && topics.length > 0) this.#expect()
      const granted = () => this.#granted(topics)
      this.sendNow(typeof frame === 'function' ? frame(id!, granted) : frame)
    }
  }

  /** What is held and waits for no answer, neither to what has been sent nor to `asking`. */
  #granted(asking: readonly Topic[]): Topic[] {
    const open = new Set(
      [...asking, ...this.#unanswered.flatMap(({ left }) => left)].map(formatTopic),
    )
    return [...this.#hooks.held()].filter(topic => {
      const key = formatTopic(topic)
      return !open.has(key) && !this.#waiting.has(key)
    })
  }

  /** How long until the venue takes one more message, ms. */
  #wait(): number {
    const { pace } = this.#rules
    if (!pace || this.#sent.length < pace.messages) return 0
    return this.#sent[0]! + pace.perMs - this.#clock.now()
  }

  #expect(): void {
    this.#deadline?.cancel()
    this.#deadline = this.#clock.setTimeout(() => {
      const late = this.#unanswered.splice(0).flatMap(({ left }) => left)
      this.#hooks.lapsed(late)
      this.#pump()
    }, this.#rules.serialMs!)
  }
}

const SHARED = new WeakMap<Clock, Map<string, number[]>>()

/** When messages left: a list of one's own, or that of all whose pace has this name. */
function sentBy(clock: Clock, name: string | undefined): number[] {
  if (name === undefined) return []
  let names = SHARED.get(clock)
  if (!names) SHARED.set(clock, (names = new Map()))
  let sent = names.get(name)
  if (!sent) names.set(name, (sent = []))
  return sent
}
