import type { MarketEvent } from '../market/events.ts'
import { Handover } from './handover.ts'

/** Where an event came from: through `*` of its kind, or through the symbol's own subscription elsewhere. */
export type Side = 'all' | 'own'

interface Voice {
  /** Who speaks now; during a handover, until it is done. */
  side: Side
  /** The last event delivered: the side that takes over may still have it before it. */
  last: MarketEvent | undefined
  handover: Handover | undefined
  /** The last handover to its own side, for as long as that side still has to show what `*` has delivered. */
  behind: Handover | undefined
}

export interface WildcardHooks {
  emit(batch: readonly MarketEvent[]): void
  /** Calls once, when the two sides have had time enough to meet. */
  later(fn: () => void): void
}

/**
 * Symbols wanted one by one on other connections while one connection has, or has asked for, all of their kind. Both
 * bring them: `*` speaks as long as the venue confirms it, their own subscription otherwise, and each change of that
 * is a handover of every symbol. What only the new side has shown is held meanwhile, for 2 s at most.
 */
export class Wildcard {
  readonly #hooks: WildcardHooks
  readonly #voices = new Map<string, Voice>()
  #side: Side = 'own'
  /** Counts the changes, so that a timer ends only the one it was set for. */
  #turns = 0
  #turning = false

  constructor(hooks: WildcardHooks) {
    this.#hooks = hooks
  }

  /** Who speaks, or is taking over. */
  get side(): Side {
    return this.#side
  }

  /** No change of sides is under way. */
  get idle(): boolean {
    return !this.#turning
  }

  /** Lets a side take over, if it does not speak already; `symbols` are those that both sides bring now. */
  turn(side: Side, symbols: () => Iterable<string>): void {
    if (side === this.#side) return
    if (side === 'all') this.#wake()
    for (const symbol of symbols()) this.#voiceOf(symbol)
    this.#side = side
    this.#turning = true
    for (const voice of this.#voices.values()) {
      // Who has not been taken over from yet just goes on.
      voice.handover = voice.side === side ? undefined : takeover(voice.last)
    }
    const turn = ++this.#turns
    this.#hooks.later(() => {
      if (turn === this.#turns) this.#end()
    })
  }

  /** An event of a symbol that both sides bring; returns what is to be delivered, in order. */
  accept(symbol: string, side: Side, event: MarketEvent): readonly MarketEvent[] {
    const voice = this.#voiceOf(symbol)
    if (side === 'own' && voice.behind) {
      const news = voice.behind.fresh(event)
      if (voice.behind.level) voice.behind = undefined
      if (news.length === 0) return []
    }
    const said = this.#said(voice, side, event)
    if (voice.handover?.done) {
      voice.handover = undefined
      voice.side = this.#side
    }
    voice.last = said.at(-1) ?? voice.last
    return said
  }

  #said({ side: speaker, handover }: Voice, side: Side, event: MarketEvent) {
    if (!handover) return side === speaker ? [event] : []
    if (side === speaker) return handover.old(event)
    const said = handover.fresh(event)
    // After that long, who shows what the other has not shown yet is ahead, or alone.
    return this.#turning || !handover.waiting ? said : handover.force()
  }

  /** A symbol is not wanted by itself any more; returns what was held of it. */
  drop(symbol: string): readonly MarketEvent[] {
    const held = this.#voices.get(symbol)?.handover?.force() ?? []
    this.#voices.delete(symbol)
    return held
  }

  /** An event of `*`, of a symbol whose own subscription is not confirmed; returns what is to be delivered. */
  alone(symbol: string, event: MarketEvent): readonly MarketEvent[] {
    const voice = this.#voices.get(symbol)
    if (!voice || this.#side === 'own') return [event]
    const held = voice.handover?.force() ?? []
    voice.side = 'all'
    voice.handover = undefined
    voice.last = event
    return [...held, event]
  }

  #voiceOf(symbol: string): Voice {
    let voice = this.#voices.get(symbol)
    if (!voice) {
      voice = { side: this.#side, last: undefined, handover: undefined, behind: undefined }
      this.#voices.set(symbol, voice)
    }
    return voice
  }

  /** `*` is confirmed anew: what it was to bring before has all come by now, and its symbols' own sides speak. */
  #wake(): void {
    for (const voice of this.#voices.values()) {
      const { handover } = voice
      if (!handover) continue
      const held = handover.over()
      voice.side = 'own'
      voice.handover = undefined
      voice.behind = handover.level ? undefined : handover
      voice.last = held.at(-1) ?? voice.last
      if (held.length > 0) this.#hooks.emit(held)
    }
  }

  /** Nothing is held any longer; who is silent, or behind, takes over when it is level. */
  #end(): void {
    this.#turning = false
    for (const voice of this.#voices.values()) {
      if (!voice.handover?.waiting) continue
      const held = voice.handover.force()
      voice.side = this.#side
      voice.handover = undefined
      voice.last = held.at(-1)
      this.#hooks.emit(held)
    }
  }
}

function takeover(last: MarketEvent | undefined): Handover {
  const handover = new Handover(last)
  handover.confirm()
  return handover
}
