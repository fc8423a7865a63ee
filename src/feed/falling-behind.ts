import { Spacing } from './spacing.ts'

/** A lag that stays this far above its best for so many seconds in which something came is falling behind, ms. */
const BEHIND_MS = 5_000
const BEHIND_TICKS = 60

/** Finds a feed whose lag grows and does not shrink again: the venue, or the way, holds back ever more. */
export class FallingBehind {
  #ticks = 0
  /** Since when what came was late. */
  #since = 0
  readonly #replacements = new Spacing()

  /**
   * To be called once a second with how late was what came in it, if anything did. Returns why the feed is to be replaced,
   * when it is.
   */
  look(lateMs: number | undefined, now: number): string | undefined {
    // Where nothing came, nothing was late.
    if (lateMs === undefined) return undefined
    if (lateMs <= BEHIND_MS) {
      this.#ticks = 0
      return undefined
    }
    if (this.#ticks++ === 0) this.#since = now
    if (this.#ticks < BEHIND_TICKS || now < this.#replacements.dueAt) return undefined
    this.#ticks = 0
    this.#replacements.done(now)
    return `events have been late for ${seconds(now - this.#since)}, by ${seconds(lateMs)} now`
  }

  /** A connection has been made anew: what was late before is not counted on. */
  restart(): void {
    this.#ticks = 0
  }
}

const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`
