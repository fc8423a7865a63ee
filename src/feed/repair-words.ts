import type { EventType } from '../market/events.ts'
import { earliestOf, type Hole } from './hole.ts'

/** So many holes at a time are told one by one, each with its symbol. */
const MOST_APART = 30
/** Where there are more, a notice names so many symbols in its words. */
const MOST_NAMED = 100

export interface HoleDetails {
  readonly symbol?: string
  readonly kind?: EventType
  readonly from?: number
  readonly to?: number
  readonly count?: number
  readonly code?: string
}

/** What is to be said of a hole. */
export interface Word {
  readonly hole: Hole
  /** How many events were filled in, where that is to be told. */
  readonly count?: number
  readonly code?: string
  /** Of these holes, the same for all that have the same: `is being filled`. */
  what(count: number): string
}

export interface HoleNotice {
  readonly message: string
  readonly details: HoleDetails
}

/**
 * The notices that tell of holes. Each hole has its own, with its symbol, but where there are many at a time: thousands of
 * symbols may be lost with one connection. Then each notice has no symbol, and all it speaks of are in its words.
 */
export function describeHoles(words: readonly Word[], now: number): readonly HoleNotice[] {
  const groups = words.length > MOST_APART ? together(words) : words.map(word => [word])
  return groups.map(group => {
    const [{ hole, code, count, what }] = group as [Word, ...Word[]]
    const from = earliestOf(group, word => word.hole.since)
    const names = group.map(word => word.hole.symbol).join(', ')
    const total = group.reduce((sum, word) => sum + (word.count ?? 0), 0)
    const since = new Date(from).toISOString()
    const kind = hole.interval === undefined ? hole.kind : `${hole.interval} ${hole.kind}`
    return {
      message: `the hole in ${kind}s of ${names} since ${since} ${what(total)}`,
      details: {
        ...{ kind: hole.kind, from, to: now },
        ...(group.length === 1 && { symbol: hole.symbol }),
        ...(count !== undefined && { count: total }),
        ...(code !== undefined && { code }),
      },
    }
  })
}

/** Those of which the same is to be said, so many at a time. */
function together(words: readonly Word[]): readonly (readonly Word[])[] {
  const groups = new Map<string, Word[][]>()
  for (const word of words) {
    const key = `${word.hole.kind} ${word.hole.interval} ${word.code} ${word.what(0)}`
    let lists = groups.get(key)
    if (!lists) groups.set(key, (lists = [[]]))
    if (lists.at(-1)!.length === MOST_NAMED) lists.push([])
    lists.at(-1)!.push(word)
  }
  return [...groups.values()].flat()
}
