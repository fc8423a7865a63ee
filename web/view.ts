import { type ChartInterval, INTERVALS } from './wire.ts'

/*
 * What is on show, and how it stands in the address: a bookmark brings it back, and a layout is one that has a name.
 */

/** Lines of the list under a heading; the first ones may have none. */
export interface Group {
  readonly name: string
  readonly symbols: readonly string[]
}

export const STUDIES = ['ema', 'vwap', 'bollinger', 'rsi', 'macd'] as const
export type Study = (typeof STUDIES)[number]
export const ZONES = ['utc', 'local', 'exchange'] as const
export type ZoneChoice = (typeof ZONES)[number]
export const PANELS = ['watch', 'chart', 'book', 'depth', 'trades', 'health'] as const
export type PanelName = (typeof PANELS)[number]

export interface View {
  /** None yet: the gateway's own symbols. */
  readonly groups: readonly Group[] | undefined
  readonly symbol: string
  readonly interval: ChartInterval
  readonly studies: readonly Study[]
  readonly zone: ZoneChoice
  readonly panels: readonly PanelName[]
}

/** Of the address; what it does not say, or nobody knows, is as it is at first. */
export function viewOf(query: string): View {
  const given = new URLSearchParams(query)
  const one = <T extends string>(name: string, all: readonly T[], first: T) =>
    all.find(it => it === given.get(name)) ?? first
  const some = <T extends string>(name: string, all: readonly T[]) => {
    const names = given.get(name)?.split(',')
    return names && all.filter(it => names.includes(it))
  }
  const panels = some('panels', PANELS)
  return {
    groups: given.has('watch') ? groupsOf(given.get('watch')!) : undefined,
    symbol: given.get('symbol')?.toUpperCase() ?? '',
    interval: one('interval', INTERVALS, '1m'),
    studies: some('studies', STUDIES) ?? [],
    zone: one('zone', ZONES, 'utc'),
    panels: panels && panels.length > 0 ? panels : PANELS,
  }
}

export function queryOf({ groups, symbol, interval, studies, zone, panels }: View): string {
  const query = new URLSearchParams()
  if (groups) query.set('watch', wordsOf(groups))
  if (symbol) query.set('symbol', symbol)
  query.set('interval', interval)
  if (studies.length > 0) query.set('studies', studies.join(','))
  if (zone !== 'utc') query.set('zone', zone)
  if (panels.length < PANELS.length) query.set('panels', panels.join(','))
  return query.toString().replaceAll('%2C', ',').replaceAll('%2F', '/').replaceAll('%7E', '~')
}

/** `SPY,QQQ,~Coins,BTC/USD`: a word with `~` is the heading of those behind it. */
function groupsOf(text: string): Group[] {
  const groups: { name: string; symbols: string[] }[] = []
  const known = new Set<string>()
  for (const word of text.split(',').map(it => it.trim())) {
    if (word.startsWith('~')) groups.push({ name: word.slice(1), symbols: [] })
    else if (word !== '' && !known.has(word.toUpperCase())) {
      if (groups.length === 0) groups.push({ name: '', symbols: [] })
      groups.at(-1)!.symbols.push(word.toUpperCase())
      known.add(word.toUpperCase())
    }
  }
  return groups
}

const wordsOf = (groups: readonly Group[]) =>
  groups.flatMap(({ name, symbols }) => [...(name ? [`~${name}`] : []), ...symbols]).join(',')

/** A heading cannot hold what tells headings and symbols apart. */
export const headingOf = (text: string) => text.replaceAll(/[,~]/g, ' ').trim()

/** A symbol more, behind the one that is chosen's group. */
export function withSymbol(groups: readonly Group[], symbol: string, beside: string): Group[] {
  const last = groups.length - 1
  if (last < 0) return [{ name: '', symbols: [symbol] }]
  const at = groups.findIndex(group => group.symbols.includes(beside))
  const into = at < 0 ? last : at
  return groups.map((group, i) =>
    i === into ? { ...group, symbols: [...group.symbols, symbol] } : group,
  )
}

/** Without a symbol; a heading goes with its last. */
export function withoutSymbol(groups: readonly Group[], symbol: string): Group[] {
  return groups
    .map(group => ({ ...group, symbols: group.symbols.filter(it => it !== symbol) }))
    .filter(group => group.symbols.length > 0)
}

/** Under another heading, which there may not have been before; none: without one, at the top. */
export function moved(groups: readonly Group[], symbol: string, name: string): Group[] {
  const others = groups.map(group => ({
    ...group,
    symbols: group.symbols.filter(it => it !== symbol),
  }))
  const isThere = others.some(group => group.name === name)
  const all = isThere
    ? others.map(it => (it.name === name ? { ...it, symbols: [...it.symbols, symbol] } : it))
    : name === ''
      ? [{ name, symbols: [symbol] }, ...others]
      : [...others, { name, symbols: [symbol] }]
  return all.filter(group => group.symbols.length > 0)
}
