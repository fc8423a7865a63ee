import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { DeliveryCounters } from '../../flow/queue.ts'
import { readerNotice } from '../../flow/queue.ts'
import { StreamReader } from '../../flow/stream.ts'
import type { MarketEvent } from '../../market/events.ts'
import type {
  Answered,
  Batch,
  Refused,
  StreamRequest,
  Subscribed,
  SubscribeMessage,
  TapePosition,
} from './messages.ts'

/** Takes what comes for a subscription. */
export interface StreamListener {
  /** It begins, on this connection, exactly behind a position. */
  begins?(position: TapePosition): void
  /**
   * Events in order. `isSnapshot`: how things stand, the latest of each kind and whole books, which are not news. The array
   * is lent for the call.
   */
  batch(events: readonly MarketEvent[], isSnapshot: boolean): void
  /** All that was missed has come; what follows comes as it happens. Again after each connection. */
  live?(): void
  /** What the venues have said of its topics. */
  answered?(answer: Answered): void
  /** It is refused, and over. */
  refused?(reason: TickwireError): void
}

/** A subscription at a gateway, for as long as it is wanted: over any number of connections. */
export interface ClientSubscription {
  readonly id: number
  /** Where it stands: to be kept by whoever wants to go on from here in another process. */
  readonly position: TapePosition | undefined
  /** All that was missed has come. */
  readonly isLive: boolean
  /** The venues' first answer. Rejects when it is refused, or the client ends first. */
  readonly ready: Promise<Answered>
  /** Ends it. May be called twice. */
  close(): void
}

/** The same to loop over. For one loop; `break` ends it. */
export interface ClientStream<E extends MarketEvent = MarketEvent>
  extends ClientSubscription,
    AsyncIterable<E> {
  batches(): AsyncIterableIterator<E[]>
  readonly counters: DeliveryCounters
}

/** What a subscription is to be told by the client that holds it. */
export class OpenSubscription implements ClientSubscription {
  readonly id: number
  readonly request: StreamRequest
  readonly ready: Promise<Answered>
  position: TapePosition | undefined
  isLive = false
  isClosed = false
  /** It begins with how things stand, which have not all come. */
  #isBeginning = false
  readonly #listener: StreamListener
  readonly #closed: (subscription: OpenSubscription) => void
  #settle!: { resolve(answer: Answered): void; reject(error: Error): void }

  constructor(
    id: number,
    request: StreamRequest,
    listener: StreamListener,
    closed: (subscription: OpenSubscription) => void,
  ) {
    this.id = id
    const { from, ...rest } = request
    // A position is kept where it moves on.
    this.request = typeof from === 'object' ? rest : request
    this.#listener = listener
    this.#closed = closed
    if (typeof from === 'object') this.position = from
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever does not look here hears of it elsewhere.
    this.ready.catch(() => {})
  }

  /** What asks for it: from where it stands, where it has stood anywhere. */
  get message(): SubscribeMessage {
    const { id, request, position } = this
    return { type: 'subscribe', id, ...request, ...(position && { from: position }) }
  }

  batch({ type, seq, events }: Batch, tape: string): void {
    if (this.isClosed) return
    if (type === 'events' && !this.#isBeginning) this.#stand(tape, seq)
    this.#listener.batch(events, type === 'snapshot')
  }

  /** Who begins with what comes now has no position before how things stand has come. */
  begins({ position, begins }: Subscribed): void {
    this.#isBeginning = begins === 'now'
    if (begins === 'behind') this.#stand(position.tape, position.seq)
    this.#listener.begins?.(position)
  }

  live(tape: string, seq: number): void {
    this.isLive = true
    this.#isBeginning = false
    this.#stand(tape, seq)
    this.#listener.live?.()
  }

  /** Nothing is missing up to a number, of whatever is live. */
  here(tape: string, seq: number): void {
    if (this.isLive) this.#stand(tape, seq)
  }

  answered(answer: Answered): void {
    this.#settle.resolve(answer)
    this.#listener.answered?.(answer)
  }

  /** Whether that is the end of it: a position that the gateway does not know is given up instead. */
  refused({ code, message, hint }: Refused, now: number): boolean {
    if (code === 'BAD_POSITION' && this.position) {
      this.position = undefined
      const text = `${message}: what follows begins with how things stand now`
      this.#listener.batch([readerNotice('reset', now, text)], false)
      return false
    }
    this.end(new TickwireError(code === 'UNEXPECTED' ? 'VENUE_ERROR' : code, message, { hint }))
    return true
  }

  /** The connection is gone. */
  interrupted(): void {
    this.isLive = false
  }

  end(reason: TickwireError): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#settle.reject(reason)
    this.#listener.refused?.(reason)
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#settle.reject(new TickwireError('CLOSED', 'the subscription is closed'))
    this.#closed(this)
  }

  /** A merged subscription has no position to go on from: what was merged away is nowhere. */
  #stand(tape: string, seq: number): void {
    if ((this.request.conflateMs ?? 0) === 0) this.position = { tape, seq }
  }
}

/** A subscription as a loop: what is not taken in time waits within bounds. */
export class SubscriptionStream implements ClientStream {
  readonly #reader: StreamReader<MarketEvent>
  readonly #subscription: OpenSubscription

  constructor(clock: Clock, open: (listener: StreamListener) => OpenSubscription) {
    const reader: StreamReader<MarketEvent> = new StreamReader(
      {},
      {
        ...{ name: 'gateway', clock },
        notify: notice => reader.accept(notice, clock.now()),
        told: () => {},
        closed: () => this.#subscription?.close(),
      },
    )
    this.#reader = reader
    this.#subscription = open({
      batch: events => {
        const now = clock.now()
        for (const event of events) reader.accept(event, now)
      },
      refused: reason => reader.end(reason),
    })
  }

  get id(): number {
    return this.#subscription.id
  }

  get position(): TapePosition | undefined {
    return this.#subscription.position
  }

  get isLive(): boolean {
    return this.#subscription.isLive
  }

  get ready(): Promise<Answered> {
    return this.#subscription.ready
  }

  get counters(): DeliveryCounters {
    return this.#reader.counters
  }

  batches(): AsyncIterableIterator<MarketEvent[]> {
    return this.#reader.batches()
  }

  [Symbol.asyncIterator](): AsyncIterator<MarketEvent> {
    return this.#reader[Symbol.asyncIterator]()
  }

  close(): void {
    this.#reader.close()
    this.#subscription.close()
  }
}
