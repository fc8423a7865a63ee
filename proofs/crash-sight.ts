import type { MarketEvent } from '../src/market/events.ts'
import { GENERATION, idOf, isAsMade } from './crash-events.ts'

/** Events with consecutive numbers and counters. */
export type Run = readonly [seq: number, id: number, count: number]

/** A place on the tape, and the counter of the event there when it is one of ours. */
export interface Place {
  readonly seq: number
  readonly id?: number | undefined
}

export interface Allowed {
  /** Parts may be damaged, if it is said which. */
  readonly damage?: boolean
  /** What comes first may speak of numbers before the place. */
  readonly cut?: boolean
}

/** Most faults told of one reading: the ones after a first are its consequences. */
const MOST = 3

/** What one reader sees, checked as it comes: order, joins, holes and content. */
export class Sight {
  readonly faults: string[] = []
  /** Of the last `lost` notice: the first number it names. */
  lostFrom: number | undefined
  readonly #name: string
  readonly #allowed: Allowed
  #first = true
  #seq: number
  #id: number | undefined

  constructor(name: string, from: Place, allowed: Allowed = {}) {
    this.#name = name
    this.#allowed = allowed
    this.#seq = from.seq
    this.#id = from.id
  }

  get place(): Place {
    return { seq: this.#seq, id: this.#id }
  }

  take(batch: readonly MarketEvent[]): Run[] {
    const runs: [number, number, number][] = []
    for (const event of batch) {
      const id = event.type === 'notice' ? this.#notice(event) : this.#event(event)
      this.#first = false
      if (id === undefined) continue
      const seq = event.seq!
      const run = runs.at(-1)
      if (run && run[0] + run[2] === seq && run[1] + run[2] === id) run[2]++
      else runs.push([seq, id, 1])
    }
    return runs
  }

  #event(event: MarketEvent): number | undefined {
    const { seq = 0 } = event
    const id = idOf(event)
    if (id === undefined) {
      this.#fault(`number ${seq} is a ${event.type} that nobody appended`)
      return undefined
    }
    if (seq !== this.#seq + 1) this.#fault(`number ${seq} comes behind ${this.#seq}`)
    const known = this.#id
    const begins =
      id % GENERATION === 1 &&
      (known === undefined || id > known + GENERATION - (known % GENERATION))
    if (known !== undefined && id !== known + 1 && !begins) {
      this.#fault(`number ${seq} is event ${id}, behind event ${known}`)
    }
    if (!isAsMade(event, id)) this.#fault(`number ${seq}, event ${id}, is not as it was made`)
    this.#seq = seq
    this.#id = id
    return id
  }

  #notice(event: MarketEvent & { readonly type: 'notice' }): undefined {
    const { notice, from = 0, to = 0, seq } = event
    const begin = this.#seq + 1
    const exact = to >= from && (from === begin || (this.#isCut() && from < begin))
    if (notice === 'skipped' && this.#allowed.damage && exact) {
      this.#seq = to
      this.#id = undefined
      return undefined
    }
    if (notice !== 'lost' || seq === undefined) {
      this.#fault(`notice ${notice} behind number ${this.#seq}: ${event.message}`)
    } else if (!exact || to !== seq - 1) {
      this.#fault(`number ${seq} says ${from} to ${to} are lost; ${this.#seq} came before`)
    }
    this.lostFrom = from
    this.#seq = seq ?? this.#seq
    return undefined
  }

  /** Asked of the first event only. */
  #isCut(): boolean {
    return this.#first && this.#allowed.cut === true
  }

  #fault(what: string): void {
    if (this.faults.length < MOST) this.faults.push(`${this.#name}: ${what}`)
  }
}
