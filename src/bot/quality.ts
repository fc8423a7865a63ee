import type { EventType, MarketEvent, Notice, Status } from '../market/events.ts'
import { symbolsOfHoles } from '../market/hole-words.ts'

/**
 * Whether what a bot sees of a symbol can be traded on: `live` yes · `stale` it stands still · `gapped` something is missing
 * that may still be filled in · `down` its source is lost · `halted` the venue has stopped trading in it.
 */
export type Quality = 'live' | 'stale' | 'gapped' | 'down' | 'halted'

/** A hole that nobody fills is a hole of the past: after so long it says nothing of now, ms of tape time. */
const HOLE_MS = 600_000

/** Codes of a venue that stop trading: UTP `H` and `P`, CTA `2`; Alpaca passes them on. */
const HALTS: ReadonlySet<string> = new Set(['H', 'P', '2'])
/** Codes that let it go on: UTP `T`, CTA `3`. */
const RESUMES: ReadonlySet<string> = new Set(['T', '3'])

/** Whether a status stops trading, or lets it go on; `undefined` where it says neither. */
export function haltOf({ statusCode }: Pick<Status, 'statusCode'>): boolean | undefined {
  if (HALTS.has(statusCode)) return true
  return RESUMES.has(statusCode) ? false : undefined
}

/** What is known of all sources, as plain data. */
export interface QualitySnapshot {
  /** `null` before the first notice. */
  readonly now: number | null
  readonly sources: readonly {
    readonly name: string
    readonly isDown: boolean
    readonly isStale: boolean
    readonly stale: readonly string[]
    readonly halted: readonly string[]
    readonly holes: readonly (readonly [
      kind: string,
      open: readonly (readonly [symbol: string, until: number])[],
    ])[]
  }[]
}

interface Source {
  isDown: boolean
  isStale: boolean
  readonly stale: Set<string>
  readonly halted: Set<string>
  /** Of each kind and symbol, until when it counts. */
  readonly holes: Map<string, Map<string, number>>
}

/**
 * What the notices of a tape say about the data of each symbol, and its status events about trading: the data-quality gate
 * of a bot.
 */
export class DataQuality {
  readonly #sources = new Map<string, Source>()
  #now = Number.NEGATIVE_INFINITY

  accept(event: MarketEvent): void {
    if (event.type === 'notice') this.#hear(event)
    else if (event.type === 'status') this.#status(event)
  }

  /** The worst of all kinds, of the sources that carry the symbol; `now` is tape time. @default sources all there are */
  of(symbol: string, sources?: readonly string[], now = this.#now): Quality {
    let worst: Quality = 'live'
    for (const [name, one] of this.#sources) {
      if (sources && !sources.includes(name)) continue
      if (one.halted.has(symbol)) return 'halted'
      if (one.isDown) worst = 'down'
      else if (worst !== 'down' && (one.isStale || one.stale.has(symbol))) worst = 'stale'
      else if (worst === 'live' && isGapped(one, symbol, now)) worst = 'gapped'
    }
    return worst
  }

  snapshot(): QualitySnapshot {
    return {
      now: this.#now,
      sources: [...this.#sources].map(([name, { isDown, isStale, stale, halted, holes }]) => ({
        ...{ name, isDown, isStale, stale: [...stale], halted: [...halted] },
        holes: [...holes].map(([kind, open]) => [kind, [...open]] as const),
      })),
    }
  }

  restore({ now, sources }: QualitySnapshot): void {
    this.#now = now ?? Number.NEGATIVE_INFINITY
    this.#sources.clear()
    for (const { name, isDown, isStale, stale, halted, holes } of sources) {
      const open = new Map(holes.map(([kind, list]) => [kind, new Map(list)] as const))
      const sets = { stale: new Set(stale), halted: new Set(halted) }
      this.#sources.set(name, { isDown, isStale, ...sets, holes: open })
    }
  }

  #hear({ notice, source, symbol, kind, message, receivedAt }: Notice): void {
    if (receivedAt > this.#now) this.#now = receivedAt
    const one = this.#of(source)
    switch (notice) {
      case 'connected':
        one.isDown = false
        one.isStale = false
        one.stale.clear()
        break
      case 'disconnected':
        one.isDown = true
        break
      case 'stale':
        if (symbol === undefined) one.isStale = true
        else one.stale.add(symbol)
        break
      case 'live':
        if (symbol === undefined) {
          one.isStale = false
          one.stale.clear()
        } else one.stale.delete(symbol)
        break
      case 'gap':
        this.#holes(one, kind, symbol, message, receivedAt + HOLE_MS)
        break
      case 'repaired':
      case 'unrepaired':
      case 'resynced':
        // What stays missing is history now: what comes is whole again.
        this.#holes(one, kind, symbol, message, undefined)
        break
    }
  }

  #status(status: Status): void {
    const { halted } = this.#of(status.source)
    const isHalted = haltOf(status)
    if (isHalted) halted.add(status.symbol)
    else if (isHalted === false) halted.delete(status.symbol)
  }

  #holes(
    { holes }: Source,
    kind: EventType | undefined,
    symbol: string | undefined,
    message: string,
    until: number | undefined,
  ): void {
    if (kind === undefined) return
    const symbols = symbol === undefined ? symbolsOfHoles(message) : [symbol]
    let open = holes.get(kind)
    if (!open) holes.set(kind, (open = new Map()))
    for (const name of symbols) {
      if (until === undefined) open.delete(name)
      else open.set(name, until)
    }
  }

  #of(name: string): Source {
    let source = this.#sources.get(name)
    if (!source) {
      source = {
        ...{ isDown: false, isStale: false, stale: new Set(), halted: new Set() },
        holes: new Map(),
      }
      this.#sources.set(name, source)
    }
    return source
  }
}

function isGapped({ holes }: Source, symbol: string, now: number): boolean {
  for (const open of holes.values()) if ((open.get(symbol) ?? 0) > now) return true
  return false
}
