import type { Timer } from '../../base/clock.ts'
import { asError, TickwireError } from '../../base/errors.ts'
import type { Connection, Link } from '../../feed/provider.ts'
import type { MarketEvent } from '../../market/events.ts'
import { ANY, formatTopic, type Topic, topicFilter } from '../../market/topics.ts'
import { replayed } from './copy.ts'
import { type Place, TapeCursor } from './cursor.ts'
import type { Selection } from './selection.ts'
import type { Steps } from './steps.ts'
import { Timeline } from './timeline.ts'

/** What outlives a connection: the settings of the user, and where the tape stands. */
export interface Deck {
  readonly selection: Selection
  readonly maxQuietMs: number
  readonly speed: number
  readonly paused: boolean
  readonly steps: Steps
  place: Place | undefined
  /** Something that was subscribed has been delivered since the beginning. */
  delivered: boolean
  /** The connection is over; `atEnd`: because the tape is. */
  released(atEnd: boolean): void
}

/** Most events before the event loop gets its turn: below a millisecond's work. */
const SLICE = 512
/** How far the replay may be behind the clock before it leaves the time it was held up out, ms. */
const MAX_LAG_MS = 1_000
/** What the sum of two epoch times in ms may be off by. */
const ROUNDING_MS = 0.01

/** One connection of a replay: hands on what is due of a tape, and sleeps until something is. */
export class Player implements Connection {
  readonly ended: Promise<TickwireError | undefined>
  readonly #link: Link
  readonly #deck: Deck
  readonly #topics = new Map<string, Topic>()
  readonly #timeline: Timeline
  #wanted: (event: MarketEvent) => boolean = topicFilter([])
  #cursor: TapeCursor | undefined
  #closing: Promise<void> = Promise.resolve()
  /** Index of the next event that is wanted, or of the batch's last one, as far as it has been looked for. */
  #ahead = 0
  #filling = false
  /** Waits for a reader to make room. */
  #held = false
  /** Nothing of this reading has been played. */
  #fresh = true
  #over = false
  #timer: Timer | undefined
  #immediate: NodeJS.Immediate | undefined
  #end: (reason: TickwireError | undefined) => void = () => {}

  constructor(link: Link, deck: Deck) {
    this.#link = link
    this.#deck = deck
    this.#timeline = new Timeline(this.#rate, link.clock.now())
    this.ended = new Promise(resolve => {
      this.#end = resolve
    })
    link.signal.addEventListener('abort', this.#stop, { once: true })
    if (link.signal.aborted) this.#stop()
  }

  subscribe(topics: readonly Topic[]): void {
    this.#skipPassed()
    for (const topic of topics) this.#topics.set(formatTopic(topic), topic)
    this.#refilter()
    if (topics.length > 0) this.#link.acknowledged(topics)
  }

  unsubscribe(topics: readonly Topic[]): void {
    this.#skipPassed()
    for (const topic of topics) this.#topics.delete(formatTopic(topic))
    this.#refilter()
  }

  async close(): Promise<void> {
    this.#stop()
    await this.#closing
  }

  /** When the last event passed was received, wanted or not. */
  get time(): number | undefined {
    this.#skipPassed()
    return this.#place?.time
  }

  /** The speed has been changed, or the tape stopped or set going. */
  retime(): void {
    this.#skipPassed()
    this.#timeline.set(this.#rate, this.#link.clock.now(), this.#cursor?.played ?? 0)
    this.#schedule()
  }

  /** There are steps to do. */
  stepped(): void {
    this.#schedule()
  }

  /** Goes on at `deck.place`. */
  sought(): void {
    this.#letGo()
    this.#filling = false
    this.#fresh = true
    this.#soon()
  }

  get #rate(): number {
    return this.#deck.paused ? 0 : this.#deck.speed
  }

  get #stepping(): boolean {
    return this.#deck.paused && this.#deck.steps.owed > 0
  }

  get #place(): Place | undefined {
    return this.#cursor ? this.#cursor.place : this.#deck.place
  }

  /** There is no more to play; a pause keeps it there. */
  get #atEnd(): boolean {
    const cursor = this.#cursor
    return !!cursor?.ended && cursor.at >= cursor.events.length
  }

  /** Plays what is due, up to a slice, frame by frame: a handler that pauses or seeks is obeyed behind the frame. */
  readonly #run = (): void => {
    this.#timer = undefined
    this.#immediate = undefined
    const now = this.#link.clock.now()
    const cursor = this.#cursor
    if (cursor && cursor.at < cursor.events.length) this.#forgiveLag(cursor, now)
    for (let left = SLICE; left > 0 && cursor && !this.#over && cursor === this.#cursor; ) {
      const frame = this.#frame(cursor, now, left)
      if (frame.length === 0) break
      left -= frame.length
      this.#link.emit(frame, now)
    }
    const room = this.#link.room()
    this.#held = room !== undefined
    void room?.then(() => {
      this.#held = false
      this.#schedule()
    })
    this.#schedule()
  }

  /** Takes the next events that were received together, as far as they are due and wanted. */
  #frame(cursor: TapeCursor, now: number, most: number): MarketEvent[] {
    const { events, offsets } = cursor
    const { paused, steps } = this.#deck
    const frame: MarketEvent[] = []
    if (paused && steps.owed === 0) return frame
    const due = paused ? Number.POSITIVE_INFINITY : this.#timeline.reached(now) + ROUNDING_MS
    const room = paused ? Math.min(steps.owed, most) : most
    let taken = 0
    while (cursor.at < events.length && offsets[cursor.at]! <= due && taken < room) {
      const event = events[cursor.at]!
      if (frame.length > 0 && event.receivedAt !== frame[0]!.receivedAt) break
      cursor.at++
      if (!this.#wanted(event)) continue
      frame.push(replayed(event))
      if (event.type === 'notice') continue
      taken++
      this.#deck.delivered = true
    }
    if (paused) {
      this.#timeline.moveTo(cursor.played, now)
      steps.pay(taken)
    }
    return frame
  }

  /** A replay that was held up, by its reader or a sleeping machine, goes on from where it stood. */
  #forgiveLag(cursor: TapeCursor, now: number): void {
    if (this.#wait(cursor) >= -MAX_LAG_MS) return
    this.#timeline.moveTo(cursor.offsets[this.#next(cursor)]!, now)
  }

  /** Passes over what nobody wanted when its time came, so that who asks for it now gets only what follows. */
  #skipPassed(): void {
    const cursor = this.#cursor
    const reached = this.#timeline.reached(this.#link.clock.now())
    if (!cursor || reached === Number.POSITIVE_INFINITY) return
    const { events, offsets } = cursor
    while (offsets[cursor.at]! < reached && !this.#wanted(events[cursor.at]!)) cursor.at++
  }

  #refilter(): void {
    // Sources of the recording, while the topics are of the feed that plays it.
    this.#wanted = topicFilter([...this.#topics.values()].map(it => ({ ...it, source: ANY })))
    this.#ahead = 0
    this.#schedule()
  }

  /** Index of the next event wanted, or of the batch's last. */
  #next(cursor: TapeCursor): number {
    const last = cursor.events.length - 1
    this.#ahead = Math.max(this.#ahead, cursor.at)
    while (this.#ahead < last && !this.#wanted(cursor.events[this.#ahead]!)) this.#ahead++
    return this.#ahead
  }

  #schedule(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#over || this.#filling || this.#held || this.#immediate) return
    if (this.#deck.paused && !this.#stepping) return
    const cursor = this.#cursor ?? this.#open()
    if (!cursor) return
    if (this.#atEnd) this.#exhausted()
    else if (cursor.at >= cursor.events.length) void this.#fill(cursor)
    else {
      const wait = this.#wait(cursor)
      if (wait <= ROUNDING_MS) this.#soon()
      else this.#timer = this.#link.clock.setTimeout(this.#run, wait)
    }
  }

  /** How long until the next event wanted, ms. */
  #wait(cursor: TapeCursor): number {
    if (this.#stepping || this.#rate === Number.POSITIVE_INFINITY) return 0
    return this.#timeline.wait(cursor.offsets[this.#next(cursor)]!, this.#link.clock.now())
  }

  #soon(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (!this.#over) this.#immediate ??= setImmediate(this.#run)
  }

  #open(): TapeCursor | undefined {
    const { selection, maxQuietMs, place } = this.#deck
    try {
      const { source } = this.#link
      const books = [...this.#topics.values()].some(({ kind }) => kind === 'book')
      this.#cursor = new TapeCursor(selection, { place, maxQuietMs, source, books })
    } catch (error) {
      this.#finish(unreadable(error))
    }
    return this.#cursor
  }

  async #fill(cursor: TapeCursor): Promise<void> {
    this.#filling = true
    let failure: TickwireError | undefined
    try {
      await cursor.fill()
    } catch (error) {
      failure = unreadable(error)
    }
    if (cursor !== this.#cursor) return
    this.#filling = false
    if (failure) return this.#finish(failure)
    this.#ahead = 0
    if (this.#fresh && cursor.events.length > 0) {
      this.#fresh = false
      this.#timeline.moveTo(0, this.#link.clock.now())
    }
    // With a turn of the event loop: a tape that has its batches at hand must not keep it, and what is subscribed
    // while the feed connects belongs to the beginning.
    this.#soon()
  }

  #exhausted(): void {
    const { paused, steps, delivered } = this.#deck
    steps.giveUp()
    if (paused) return
    if (!delivered) {
      const topics = [...this.#topics.keys()]
      this.#link.log.warn({ topics }, 'the replay has ended without an event of what is subscribed')
    }
    this.#finish(undefined)
  }

  readonly #stop = (): void => this.#finish(undefined)

  #finish(reason: TickwireError | undefined): void {
    if (this.#over) return
    const atEnd = reason === undefined && this.#atEnd && !this.#deck.paused
    this.#skipPassed()
    this.#deck.place = this.#place
    this.#over = true
    this.#timer?.cancel()
    if (this.#immediate) clearImmediate(this.#immediate)
    this.#link.signal.removeEventListener('abort', this.#stop)
    this.#letGo()
    this.#deck.released(atEnd)
    this.#end(reason)
  }

  /** Lets go of the tape. */
  #letGo(): void {
    const cursor = this.#cursor
    this.#cursor = undefined
    if (!cursor) return
    this.#closing = cursor.close().catch(error => {
      this.#link.log.warn({ error }, 'the tape of a replay could not be let go')
    })
  }
}

/** What a tape threw; one that does not say whether trying again can help is tried again. */
function unreadable(thrown: unknown): TickwireError {
  if (thrown instanceof TickwireError) return thrown
  return new TickwireError('VENUE_ERROR', `the tape cannot be read: ${asError(thrown).message}`, {
    hint: 'The replay goes on behind the last event delivered, once the tape can be read again.',
    cause: thrown,
  })
}
