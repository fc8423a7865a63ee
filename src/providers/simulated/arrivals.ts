import type { Random } from '../../base/random.ts'

/** Share of events that follow another of the same symbol shortly: bursts of 1.7 events on average. */
const FOLLOWING = 0.4
/** Share of events that carry the same time as the one before, to the nanosecond: parts of one sweep. */
const SAME = 0.03
/** Mean wait inside a burst, against a mean of 1 over all events. */
const SHORT = 0.05
/** Mean wait between bursts, so that the mean over all events is 1. */
const LONG = (1 - (FOLLOWING - SAME) * SHORT) / (1 - FOLLOWING)

/**
 * When events happen, and whether to the same symbol again: each event is followed by another of its symbol with a
 * chance of {@link FOLLOWING}, so they come in bursts. Counts over long spans vary about 2.2 times as much as those
 * of independent arrivals do.
 */
export class Arrivals {
  readonly random: Random
  /** Whether the event that {@link wait} or {@link skip} led to belongs to the burst of the one before. */
  follows = false

  constructor(random: Random) {
    this.random = random
  }

  /** The wait for the next event, 1 on average; 0 for one of the same time. */
  wait(): number {
    const u = this.random()
    this.follows = u < FOLLOWING
    if (!this.follows) return -Math.log((1 - u) / (1 - FOLLOWING)) * LONG
    if (u < SAME) return 0
    return -Math.log((FOLLOWING - u) / (FOLLOWING - SAME)) * SHORT
  }

  /** The next event without a wait: true when it has the same time as the one before. */
  skip(): boolean {
    const u = this.random()
    this.follows = u < FOLLOWING
    return u < SAME
  }
}

/** Index of the entry of a running sum of weights that `target` falls on, from `low` to `high`. */
export function indexOfWeight(
  sums: Float64Array,
  target: number,
  low: number,
  high: number,
): number {
  while (low < high) {
    const middle = (low + high) >> 1
    if (sums[middle]! > target) high = middle
    else low = middle + 1
  }
  return low
}
