import type { Clock } from '../base/clock.ts'
import type { HoleOf, HoleState } from '../flow/contracts.ts'
import type { EventType, NoticeName } from '../market/events.ts'
import type { Hole } from './hole.ts'
import type { Outcome } from './repair-closing.ts'
import { describeHoles, type HoleDetails, type Word } from './repair-words.ts'

export interface TellerHooks {
  readonly source: string
  readonly clock: Clock
  notice(name: NoticeName, message: string, details: HoleDetails): void
  /** Keeps account of holes, each by itself. */
  holes(what: HoleState, holes: readonly HoleOf[]): void
}

/** Says what becomes of holes, and keeps account of it. */
export class Teller {
  readonly #hooks: TellerHooks
  /** Of kinds without history, not told yet. */
  readonly #lost = new Map<EventType, HoleOf[]>()

  constructor(hooks: TellerHooks) {
    this.#hooks = hooks
  }

  opened(hole: Hole): void {
    this.#account('opened', [hole])
  }

  /** These are being worked on. */
  filling(holes: readonly Hole[]): void {
    this.#say(
      'gap',
      holes.map(hole => ({ hole, what: () => 'is being filled' })),
    )
  }

  /** History was complete: these are filled, but for what of it cannot be read or cannot be true. */
  closed(outcomes: readonly Outcome[]): void {
    if (outcomes.length === 0) return
    const whole = outcomes.filter(one => missingOf(one) === 0)
    const partial = outcomes.filter(one => missingOf(one) > 0)
    const now = this.#hooks.clock.now()
    this.#say(
      'repaired',
      whole.map(one => wordOf(one, now)),
    )
    this.#account('filled', holesOf(whole))
    this.#say(
      'unrepaired',
      partial.map(one => ({ ...wordOf(one, now), code: 'INCOMPLETE' })),
    )
    this.#account('left', holesOf(partial))
  }

  /** These stay. */
  left(holes: readonly Hole[], reason: string, code: string): void {
    const what = () => `stays: ${reason}`
    this.#say(
      'unrepaired',
      holes.map(hole => ({ hole, code, what })),
    )
    this.#account('left', holes)
  }

  /** Nobody wants to know what becomes of these. */
  forgotten(holes: readonly Hole[]): void {
    this.#account('left', holes)
  }

  /** Something of a kind was lost of which there is no history. */
  lost(kind: EventType, symbol: string): void {
    const { source, clock } = this.#hooks
    const hole = { source, kind, symbol, from: Math.floor(clock.now()) }
    const others = this.#lost.get(kind)
    if (others) others.push(hole)
    else this.#lost.set(kind, [hole])
  }

  get hasLost(): boolean {
    return this.#lost.size > 0
  }

  /** Tells of what was {@link lost}: it stays. */
  tellLost(): void {
    for (const [kind, holes] of this.#lost) {
      const message = `what was missed in kind ${kind} stays missing: there is no history of it`
      this.#hooks.notice('unrepaired', message, { kind, code: 'UNSUPPORTED' })
      this.#hooks.holes('opened', holes)
      this.#hooks.holes('left', holes)
    }
    this.#lost.clear()
  }

  #account(what: HoleState, holes: readonly Hole[]): void {
    if (holes.length === 0) return
    const { source } = this.#hooks
    const list = holes.map(({ kind, symbol, since }) => ({ source, kind, symbol, from: since }))
    this.#hooks.holes(what, list)
  }

  #say(name: NoticeName, words: readonly Word[]): void {
    for (const { message, details } of describeHoles(words, this.#hooks.clock.now()))
      this.#hooks.notice(name, message, details)
  }
}

const missingOf = ({ hole, unread, isCut }: Outcome): number =>
  hole.untrue.size + unread + (isCut ? 1 : 0)

function wordOf({ hole, unread, isCut }: Outcome, now: number): Word {
  const after = `after ${((now - hole.resumedAt!) / 1_000).toFixed(1)} s`
  const missing = [
    ...(unread + hole.untrue.size > 0
      ? [`${unread} that cannot be read and ${hole.untrue.size} that cannot be true`]
      : []),
    ...(isCut ? ['what was lost again behind it, as so much came that it is not remembered'] : []),
  ].join(', and ')
  const what = (count: number) =>
    missing === ''
      ? `is filled: ${eventsOf(count)}, ${after}`
      : `is filled in part: ${eventsOf(count)}, ${after}, without ${missing}`
  return { hole, count: hole.filled, what }
}

const holesOf = (outcomes: readonly Outcome[]): readonly Hole[] => outcomes.map(({ hole }) => hole)

const eventsOf = (count: number) => (count === 1 ? '1 event' : `${count} events`)
