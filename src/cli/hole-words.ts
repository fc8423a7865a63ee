import { CHANNELS } from '../feed/channels.ts'
import type { Notice } from '../market/events.ts'
import { symbolsOfHoles } from '../market/hole-words.ts'

/** Least time between two rounds of lines about holes, ms: a connection may be lost over and over. */
const AGAIN_MS = 5_000
/** Names of a kind in one line, of more only the number is said; and lines in one round that give a reason. */
const MOST_NAMES = 5
const MOST_LINES = 6

/** Holes of one kind of which the same is to be said. */
interface Group {
  /** As people call several of it: `trades`. */
  readonly kind: string
  /** Why they stay; absent where they are filled. */
  readonly reason: string | undefined
  readonly symbols: Set<string>
  /** Events filled in. */
  count: number
  /** Of what history has, what is missing all the same. */
  unread: number
  untrue: number
}

/** Instead of a reason: history has records of it that are no good. */
const IN_PART = 'in part'

/**
 * Says what became of holes, in few words however many there are: those told of together in one line, at once, then now and
 * then.
 */
export class HoleWords {
  readonly #say: (line: string) => void
  readonly #groups = new Map<string, Group>()
  #saidAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  /** Takes any notice; others than those of holes say nothing here. */
  hear({ notice, kind: of, symbol, count = 0, message }: Notice): void {
    if (notice !== 'repaired' && notice !== 'unrepaired') return
    const kind = channelOf(of)
    const names = symbol === undefined ? symbolsOfHoles(message) : [symbol]
    const part = PART.exec(message)
    if (part) {
      const group = this.#group(kind, IN_PART, names)
      group.unread += Number(part[1])
      group.untrue += Number(part[2])
    } else if (notice === 'unrepaired') this.#group(kind, reasonOf(message), names)
    if (notice === 'repaired' || (part && count > 0)) {
      this.#group(kind, undefined, names).count += count
    }
    // Others that are told of in the same moment are still to come.
    const wait = Math.max(0, this.#saidAt + AGAIN_MS - performance.now())
    this.#timer ??= setTimeout(() => this.flush(), wait).unref()
  }

  #group(kind: string, reason: string | undefined, names: readonly string[]): Group {
    const key = `${kind} ${reason}`
    let group = this.#groups.get(key)
    if (!group) {
      group = { kind, reason, symbols: new Set(), count: 0, unread: 0, untrue: 0 }
      this.#groups.set(key, group)
    }
    for (const name of names) group.symbols.add(name)
    return group
  }

  /** Says what has not been said yet. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#groups.size === 0) return
    this.#saidAt = performance.now()
    // What stays missing comes first.
    const groups = [...this.#groups.values()].sort(
      (a, b) => Number(a.reason === undefined) - Number(b.reason === undefined),
    )
    this.#groups.clear()
    for (const group of groups.slice(0, MOST_LINES)) this.#say(lineOf(group))
    const rest = groups.slice(MOST_LINES)
    const missing = rest.filter(({ reason }) => reason !== undefined)
    if (missing.length > 0) this.#say(`missing for other reasons: ${allOf(missing)}`)
    const others = rest.filter(({ reason }) => reason === undefined)
    if (others.length > 0) this.#say(`whole again: ${allOf(others)}`)
  }
}

function lineOf({ kind, reason, symbols, count, unread, untrue }: Group): string {
  const what = `${kind}${ofNames(symbols)}`
  if (reason === IN_PART) {
    const why = [
      unread > 0 && `${unread} that cannot be read`,
      untrue > 0 && `${untrue} that cannot be true`,
    ]
    return `missing: ${what}: ${why.filter(Boolean).join(', ')}`
  }
  if (reason !== undefined) return `missing: ${what}: ${reason}`
  if (count === 0) return `nothing was missed: ${what}`
  return `filled in: ${count} ${count === 1 ? singularOf(kind) : kind}${ofNames(symbols)}`
}

/** What several groups are of, each kind once. */
function allOf(groups: readonly Group[]): string {
  const kinds = new Map<string, Set<string>>()
  for (const { kind, symbols } of groups) {
    const all = kinds.get(kind)
    if (!all) kinds.set(kind, new Set(symbols))
    else for (const symbol of symbols) all.add(symbol)
  }
  return [...kinds].map(([kind, symbols]) => `${kind}${ofNames(symbols)}`).join('; ')
}

function ofNames(symbols: ReadonlySet<string>): string {
  const names = [...symbols]
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : ''
  return names.length > 0 ? ` of ${names.slice(0, MOST_NAMES).join(', ')}${more}` : ''
}

/** How many records are missing of a hole that is filled but for these. */
const PART = /is filled in part: .*without (\d+) that cannot be read and (\d+) that cannot be true/

/** Why, in a notice that says where as well: `the hole in trades of SPY since … stays: history refuses`. */
const reasonOf = (message: string): string =>
  /(?:stays: |stays missing: )(.*)$/.exec(message)?.[1] ?? message

const channelOf = (kind: Notice['kind']): string =>
  Object.entries(CHANNELS).find(([, of]) => of === kind)?.[0] ?? 'events'

const singularOf = (channel: string): string =>
  Object.entries(CHANNELS).find(([name]) => name === channel)?.[1] ?? 'event'
