import { TickwireError } from '../../base/errors.ts'
import type { Capabilities, Connection, Link, Provider } from '../../feed/provider.ts'
import type { Interval } from '../../market/events.ts'
import type { Place } from './cursor.ts'
import { type Deck, Player } from './player.ts'
import { checkTime, type Selection, type SelectionOptions, select, symbolOf } from './selection.ts'
import { Steps } from './steps.ts'

export interface ReplayOptions extends SelectionOptions {
  /** 1: as it happened; 10: ten times as fast; `Infinity`: as fast as the process manages. @default 1 */
  readonly speed?: number
  /** Waits for `resume` or `step` before the first event. @default false */
  readonly paused?: boolean
  /**
   * Longest stretch without an event that is waited out at a finite speed, ms of the tape; of a longer one (a night,
   * a weekend) the rest is left out. @default Infinity
   */
  readonly maxQuietMs?: number
}

/** `idle` no feed is connected · `playing` · `paused` · `ended` the last event has been delivered. */
export type ReplayState = 'idle' | 'playing' | 'paused' | 'ended'

/**
 * A recording as a source, with the controls of a player. They may be used at any time, from handlers too; what
 * happens in a handler takes effect behind the events that were received together with the one it was called for.
 */
export interface ReplayProvider extends Provider {
  readonly state: ReplayState
  /**
   * How far the tape has been played: when its last event up to here was received, epoch ms. After `seek`, the time
   * sought; `undefined` before the first event.
   */
  readonly time: number | undefined
  /** May be set while it plays. @throws BAD_OPTION when set to what is not above 0 */
  speed: number
  /** Stops the tape. At its end, a paused replay stays connected. */
  pause(): void
  /** Goes on from where it stands. Steps not done yet are given up. */
  resume(): void
  /**
   * Pauses, and delivers the next `count` events of what is subscribed without waiting for their time; notices that
   * stand before them come along uncounted. Resolves with how many there were: fewer when the tape or the connection
   * ends or `resume` is called meanwhile. Before a feed is connected it waits for one.
   * @throws BAD_OPTION for a count that is no whole number above 0
   */
  step(count?: number): Promise<number>
  /**
   * Goes on at the first event received at or after a time (epoch ms), before or behind; paused or playing as before.
   * @throws BAD_OPTION for a time outside of `from` and `to`
   */
  seek(time: number): void
}

/** A list, for that is what {@link Capabilities} has room for: the lengths that venues send or people make. */
const BAR_INTERVALS = (
  '1s 5s 10s 15s 30s 1m 2m 3m 5m 10m 15m 20m 30m 45m 60m ' + '1h 2h 3h 4h 6h 8h 12h 24h 1d 3d 1w'
).split(' ') as readonly Interval[]

/**
 * Plays a tape, or a part of it, through a feed like any other source: what the feed has subscribed, in the order of
 * the tape, each event marked `replayed` and otherwise as it was recorded, `source` and `receivedAt` included. Its
 * notices come too, so that the holes of a recording stay visible; what the tape itself cannot serve (retention,
 * damage) is told as a `lost` notice of the feed's source. The same tape and options give the same events in the
 * same order at any speed. The recording is only read, a batch at a time.
 *
 * The feed ends behind the last event. One feed plays it at a time. When it lets its connection go because nothing
 * is subscribed, and connects again, the replay goes on behind the last event passed; after the end, a new feed starts
 * at the beginning, or where `seek` said. Subscribe everything in one go, or start `paused` and `resume` when all is subscribed: as with a live
 * source, what is not subscribed when its time comes is not delivered later.
 *
 * At a finite speed an event is due when as much time has passed on the feed's clock, times `speed`, as lay between
 * it and the first event when they were received. Where the recording machine's clock was set back, the order of the
 * tape counts and nothing is waited for; a replay that is held up for more than a second goes on from where it stood.
 * @throws BAD_OPTION BAD_SYMBOL
 */
export function replay(options: ReplayOptions): ReplayProvider {
  return new Replay(options)
}

class Replay implements ReplayProvider, Deck {
  readonly id = 'replay'
  readonly capabilities: Capabilities
  readonly selection: Selection
  readonly maxQuietMs: number
  readonly steps = new Steps()
  place: Place | undefined
  delivered = false
  #speed: number
  #paused: boolean
  #player: Player | undefined
  #ended = false

  constructor(options: ReplayOptions) {
    const { speed = 1, paused = false, maxQuietMs = Number.POSITIVE_INFINITY } = options
    this.selection = select(options)
    this.#speed = checkSpeed(speed)
    this.#paused = paused
    if (!(maxQuietMs > 0)) {
      throw new TickwireError('BAD_OPTION', `maxQuietMs must be above 0, not ${maxQuietMs}`)
    }
    this.maxQuietMs = maxQuietMs
    const { kinds, symbols } = this.selection
    this.capabilities = {
      title: 'Replay',
      kinds,
      barIntervals: BAR_INTERVALS,
      wildcard: kinds,
      ...(symbols && { symbols }),
      nature: 'replayed',
      waits: true,
      auth: 'none',
      limits: {},
      history: false,
      silenceHint:
        'The replay may be paused, the recording silent at this time, or without what is subscribed. Raise the speed, ' +
        'seek another time, or set maxQuietMs to leave out long silences.',
    }
  }

  get state(): ReplayState {
    if (this.#ended) return 'ended'
    if (!this.#player) return 'idle'
    return this.#paused ? 'paused' : 'playing'
  }

  get time(): number | undefined {
    return this.#player ? this.#player.time : this.place?.time
  }

  get paused(): boolean {
    return this.#paused
  }

  get speed(): number {
    return this.#speed
  }

  set speed(speed: number) {
    this.#speed = checkSpeed(speed)
    this.#player?.retime()
  }

  symbol(text: string): string {
    return symbolOf(this.selection, text)
  }

  async connect(link: Link): Promise<Connection> {
    if (this.#player) {
      throw new TickwireError('BAD_OPTION', 'another feed plays this replay', {
        hint: 'Call replay() once for each feed: any number may read one tape.',
      })
    }
    if (this.#ended) {
      this.place = undefined
      this.delivered = false
    }
    this.#ended = false
    const player = new Player(link, this)
    if (!link.signal.aborted) this.#player = player
    link.opened()
    player.subscribe(link.topics)
    return player
  }

  pause(): void {
    this.#paused = true
    this.#player?.retime()
  }

  resume(): void {
    this.#paused = false
    this.steps.giveUp()
    this.#player?.retime()
  }

  step(count = 1): Promise<number> {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new TickwireError('BAD_OPTION', `step takes a whole number above 0, not ${count}`)
    }
    if (!this.#paused) this.pause()
    const delivered = this.steps.add(count)
    this.#player?.stepped()
    return delivered
  }

  seek(time: number): void {
    checkTime('time', time)
    const { from = Number.NEGATIVE_INFINITY, to } = this.selection
    if (time < from || time >= to) {
      throw new TickwireError('BAD_OPTION', `time ${time} lies outside of this replay`, {
        hint: `It was opened from ${from} to ${to}.`,
      })
    }
    this.place = { time }
    this.#ended = false
    this.#player?.sought()
  }

  released(atEnd: boolean): void {
    this.#player = undefined
    this.#ended = atEnd
    this.steps.giveUp()
  }
}

function checkSpeed(speed: number): number {
  if (speed > 0) return speed
  throw new TickwireError('BAD_OPTION', `speed is ${speed}`, {
    hint: 'Give how many times as fast as it happened, above 0, or Infinity. To stop, use pause().',
  })
}
