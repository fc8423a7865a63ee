import { TickwireError } from '../../base/errors.ts'
import { didYouMean, nearest } from '../../base/suggest.ts'
import type { Reader } from '../../flow/contracts.ts'
import { EVENT_TYPES, type EventType, type MarketEvent } from '../../market/events.ts'
import { canonicalSymbol } from '../../market/symbols.ts'
import { ANY, type Topic } from '../../market/topics.ts'

/** Kinds that can be chosen; notices always come. */
export const DATA_KINDS: readonly DataKind[] = EVENT_TYPES.filter(isData)
export type DataKind = Exclude<EventType, 'notice'>

/** What part of a tape is wanted, as a user may write it. */
export interface SelectionOptions {
  /** The recording: any tape, or whatever else reads like one. It is never written to. */
  readonly tape: Reader
  /** Starts at the first event received at or after this, epoch ms. @default the oldest event held */
  readonly from?: number | undefined
  /** Ends before the first event received at or after this, epoch ms. @default where the tape ends when the replay comes to read it */
  readonly to?: number | undefined
  /** One symbol, several, or `'*'` for every symbol. @default '*' */
  readonly symbols?: string | readonly string[] | undefined
  /** One kind of event or several; notices always come. @default every kind */
  readonly kinds?: DataKind | readonly DataKind[] | undefined
  /** Names of the sources as they stand on the events. @default every source */
  readonly sources?: string | readonly string[] | undefined
}

/** The same, checked. */
export interface Selection {
  readonly tape: Reader
  readonly from: number | undefined
  readonly to: number
  readonly symbols: readonly string[] | undefined
  readonly kinds: readonly DataKind[]
  /** What the tape is asked for; everything when absent. */
  readonly topics: readonly Topic[] | undefined
  /** Whether a recorded notice concerns the chosen sources and symbols: a tape hands out all of them. */
  concerns(notice: MarketEvent): boolean
}

/** @throws BAD_OPTION BAD_SYMBOL */
export function select(options: SelectionOptions): Selection {
  const { tape, from, to = Number.POSITIVE_INFINITY } = options
  if (typeof tape?.read !== 'function') {
    throw new TickwireError('BAD_OPTION', 'a replay needs a tape', {
      hint: 'Give the one that was recorded: replay({ tape }).',
    })
  }
  if (from !== undefined) checkTime('from', from)
  if (to !== Number.POSITIVE_INFINITY) checkTime('to', to)
  if (from !== undefined && from >= to) {
    const [first, last] = [from, to].map(time => new Date(time).toISOString())
    throw new TickwireError('BAD_OPTION', `nothing lies between from ${first} and to ${last}`, {
      hint: 'from is the earlier one and belongs to the range, to does not.',
    })
  }
  const symbols = listOf('symbols', options.symbols)?.map(one =>
    one === ANY ? ANY : canonicalSymbol(one),
  )
  const chosen = symbols?.includes(ANY) ? undefined : symbols
  const kinds = listOf('kinds', options.kinds)
  for (const kind of kinds ?? []) {
    if ((DATA_KINDS as readonly string[]).includes(kind)) continue
    const hint = didYouMean(kind, DATA_KINDS)
    throw new TickwireError('BAD_OPTION', `no events of kind ${kind}`, { hint })
  }
  const sources = listOf('sources', options.sources)
  const everything = !chosen && !kinds && !sources
  return {
    ...{ tape, from, to, symbols: chosen, kinds: (kinds ?? DATA_KINDS) as readonly DataKind[] },
    topics: everything ? undefined : topicsOf(sources, kinds, chosen),
    concerns: ({ source, symbol }) =>
      (!sources || sources.includes(source)) &&
      (!chosen || symbol === undefined || chosen.includes(symbol)),
  }
}

/** The canonical form of a symbol of the selection. @throws BAD_SYMBOL UNKNOWN_SYMBOL */
export function symbolOf({ symbols }: Selection, text: string): string {
  const symbol = canonicalSymbol(text)
  if (!symbols || symbols.includes(symbol)) return symbol
  const hint = nearest(symbol, symbols)
    ? `Did you mean ${nearest(symbol, symbols)}?`
    : `It was asked for ${symbols.join(' ')}: see its option symbols.`
  throw new TickwireError('UNKNOWN_SYMBOL', `this replay leaves out ${symbol}`, { hint })
}

/** @throws BAD_OPTION for what is no time */
export function checkTime(name: string, time: number): void {
  if (Number.isFinite(time)) return
  throw new TickwireError('BAD_OPTION', `${name} is ${time}`, {
    hint: 'Give epoch milliseconds, as Date.parse("2024-01-15T14:30:00Z") does.',
  })
}

function isData(type: EventType): type is DataKind {
  return type !== 'notice'
}

function listOf(
  name: string,
  given: string | readonly string[] | undefined,
): readonly string[] | undefined {
  if (given === undefined) return undefined
  const list: readonly string[] = typeof given === 'string' ? [given] : given
  if (Array.isArray(list) && list.length > 0 && list.every(one => typeof one === 'string')) {
    return list
  }
  throw new TickwireError('BAD_OPTION', `${name} is no text and no list of texts`, {
    hint: `Name at least one, or leave ${name} out for all.`,
  })
}

function topicsOf(
  sources: readonly string[] = [ANY],
  kinds: readonly string[] = DATA_KINDS,
  symbols: readonly string[] = [ANY],
): Topic[] {
  return sources.flatMap(source =>
    kinds.flatMap(kind => symbols.map(symbol => ({ source, kind: kind as EventType, symbol }))),
  )
}
