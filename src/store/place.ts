import { TickwireError } from '../base/errors.ts'
import type { Position } from '../flow/contracts.ts'
import type { Standing } from './keeper.ts'

/** How far a store has come, and who waits for it to come somewhere. */
export class Place {
  #standing: Standing = { positions: {}, needed: {}, time: Number.NEGATIVE_INFINITY }
  readonly #awaited = new Set<{ readonly position: Position; readonly done: () => void }>()
  /** The tape that was followed last. */
  tape: string | undefined
  /** When something was last taken, by the clock. */
  takenAt = Number.NEGATIVE_INFINITY
  /** Brings what is under way into the store at once; set by whoever has something under way. */
  hurry: () => void = () => {}

  get position(): Position | undefined {
    return this.#placeIn(this.#standing.positions)
  }

  get needed(): Position | undefined {
    return this.#placeIn(this.#standing.needed)
  }

  /** Highest receive time of what was taken, epoch ms. */
  get time(): number {
    return this.#standing.time
  }

  seqOf(tape: string): number | undefined {
    return this.#standing.positions[tape]
  }

  get isAwaited(): boolean {
    return this.#awaited.size > 0
  }

  stand({ positions, needed, time }: Standing): void {
    this.#standing = { positions, needed, time }
    for (const one of this.#awaited) {
      const { tape, seq } = one.position
      if ((positions[tape] ?? 0) < seq) continue
      this.#awaited.delete(one)
      one.done()
    }
  }

  /** Resolves when all up to a position is there. @throws CLOSED when the signal comes first */
  reached(position: Position, end: AbortSignal): Promise<void> {
    if ((this.seqOf(position.tape) ?? 0) >= position.seq) return Promise.resolve()
    if (end.aborted) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      const lost = () => {
        this.#awaited.delete(one)
        reject(closed())
      }
      const one = {
        position,
        done() {
          end.removeEventListener('abort', lost)
          resolve()
        },
      }
      end.addEventListener('abort', lost)
      this.#awaited.add(one)
      this.hurry()
    })
  }

  #placeIn(by: Standing['positions']): Position | undefined {
    const tape = this.tape ?? Object.keys(by).at(-1)
    const seq = tape === undefined ? undefined : by[tape]
    return tape === undefined || seq === undefined ? undefined : { tape, seq }
  }
}

export function closed(): TickwireError {
  return new TickwireError('CLOSED', 'the store is closed')
}
