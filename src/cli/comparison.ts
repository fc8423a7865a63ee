import { type Capabilities, KIND_BIT, type Provider } from '../feed/provider.ts'
import type { EventType } from '../market/events.ts'
import { alltick } from '../providers/alltick/index.ts'
import { alpaca } from '../providers/alpaca/index.ts'
import { binance } from '../providers/binance/index.ts'
import { coinbase } from '../providers/coinbase/index.ts'
import { ibkr } from '../providers/ibkr/index.ts'
import { type JsonConfigInput, json } from '../providers/json/index.ts'
import { kraken } from '../providers/kraken/index.ts'
import { openalgo } from '../providers/openalgo/index.ts'
import { polygon } from '../providers/polygon/index.ts'
import { simulated } from '../providers/simulated/provider.ts'
import { tickwire } from '../providers/tickwire/index.ts'
import { PROVIDERS, type ProviderName } from './schema.ts'

/** A provider, or one market of it, as `tickwire providers --json` tells of it. */
export interface Compared extends Pick<Capabilities, 'title' | 'nature' | 'kinds' | 'auth'> {
  readonly provider: ProviderName
  /** Where the provider has several. */
  readonly market?: string
  readonly trades: boolean
  /** Best bid and ask. */
  readonly l1: boolean
  /** Books. */
  readonly l2: boolean
  readonly bars: readonly string[]
  /** Kinds that can be had for every symbol at once. */
  readonly wildcard: readonly EventType[]
  /** Kinds of which there is a past, and by which holes are filled. */
  readonly history: readonly EventType[]
  /** Whether it lists what trades there: `tickwire symbols search`. */
  readonly instruments: boolean
  readonly limits: Capabilities['limits']
  readonly keysPage?: string
  readonly facts?: NonNullable<Capabilities['facts']>
}

/** In place of keys: nothing is ever sent with them. */
const KEY = 'NOT-A-KEY'
const ALPACA = { key: KEY, secret: KEY } as const

/** Every provider, made without keys and never connected. */
const MADE: Record<ProviderName, () => readonly (readonly [market: string, Provider])[]> = {
  alltick: () =>
    (['stocks', 'forex'] as const).map(market => [market, alltick({ market, token: KEY })]),
  alpaca: () => [
    ['stocks', alpaca(ALPACA)],
    ['crypto', alpaca({ ...ALPACA, market: 'crypto' })],
    ['options', alpaca({ ...ALPACA, market: 'options' })],
    ['news', alpaca({ ...ALPACA, market: 'news' })],
  ],
  binance: () => [['', binance()]],
  coinbase: () => [['', coinbase()]],
  ibkr: () => [['', ibkr()]],
  json: () => [['', json(ANY_VENDOR)]],
  kraken: () => [['', kraken()]],
  openalgo: () => [['', openalgo({ apiKey: KEY })]],
  polygon: () =>
    (['stocks', 'options', 'crypto', 'forex', 'indices'] as const).map(market => [
      market,
      polygon({ market, key: KEY }),
    ]),
  tickwire: () => [['', tickwire()]],
  simulated: () => [['', simulated()]],
}

/** A vendor of the provider `json` that sends all that can be mapped. */
const ANY_VENDOR = {
  ...{ id: 'json', title: 'Any vendor with a WebSocket of JSON', url: 'wss://localhost' },
  subscribe: { message: { subscribe: '{symbols}' } },
  messages: [
    { kind: 'trade', symbol: 's', fields: { price: 'p', size: 'v' } },
    { kind: 'quote', symbol: 's', fields: { bid: 'b', ask: 'a' } },
    { kind: 'ticker', symbol: 's', fields: { last: 'p' } },
    {
      ...{ kind: 'bar', symbol: 's', interval: '1m' },
      fields: { open: 'o', high: 'h', low: 'l', close: 'c', volume: 'v' },
    },
    {
      kind: 'book',
      symbol: 's',
      fields: { bids: { path: 'b' }, asks: { path: 'a' }, snapshot: true },
    },
    { kind: 'status', symbol: 's', fields: { statusCode: 's' } },
  ],
} as unknown as JsonConfigInput

/** All there are, in the order of their names. */
export function compareProviders(): Compared[] {
  return PROVIDERS.flatMap(name =>
    MADE[name]().map(([market, provider]) => comparedOf(name, market, provider)),
  )
}

function comparedOf(name: ProviderName, market: string, provider: Provider): Compared {
  const { title, nature, kinds, auth, barIntervals, wildcard, history, limits, keysPage, facts } =
    provider.capabilities
  const repaired: readonly EventType[] =
    history === true
      ? (['trade', 'quote', 'bar'] as const).filter(kind => kinds.includes(kind))
      : history || []
  const order = (list: readonly EventType[]) => [...list].sort((a, b) => KIND_BIT[a] - KIND_BIT[b])
  return {
    ...{ provider: name, ...(market !== '' && { market }), title, nature, kinds: order(kinds) },
    trades: kinds.includes('trade'),
    l1: kinds.includes('quote'),
    l2: kinds.includes('book'),
    ...{ bars: barIntervals, wildcard: order(wildcard) },
    history: order(repaired),
    instruments: provider.instruments !== undefined,
    ...{ auth, limits, ...(keysPage !== undefined && { keysPage }), ...(facts && { facts }) },
  }
}

/** Rows about one provider stand together, and what is the same in all is said once. */
function byProvider(all: readonly Compared[]): (readonly [string, readonly Compared[]])[] {
  const groups = new Map<string, Compared[]>()
  for (const one of all) groups.set(one.provider, [...(groups.get(one.provider) ?? []), one])
  return [...groups]
}

const yes = (is: boolean) => (is ? 'yes' : '–')
const listed = (list: readonly string[]) => (list.length > 0 ? list.join(' ') : '–')

const HEAD = ['provider', 'market', 'key', 'trades', 'L1', 'L2', 'more', 'history'] as const

function rowOf(one: Compared): string[] {
  const { provider, market = '', auth, trades, l1, l2, kinds, history } = one
  const more = kinds.filter(kind => !['trade', 'quote', 'book', 'notice'].includes(kind))
  const key = auth === 'none' ? 'none' : 'needed'
  return [provider, market, key, yes(trades), yes(l1), yes(l2), listed(more), listed(history)]
}

const FACTS = [
  ['protocol', 'protocol'],
  ['format', 'messages'],
  ['auth', 'auth'],
  ['heartbeat', 'heartbeat'],
  ['reconnect', 'reconnect'],
  ['limits', 'limits'],
  ['freeTier', 'free'],
] as const

/** For a terminal. */
export function asText(all: readonly Compared[]): string {
  const rows = [[...HEAD] as string[], ...all.map(rowOf)]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  const table = rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
  const more = byProvider(all).flatMap(([name, [one]]) => {
    const { facts } = one!
    if (!facts) return []
    const lines = FACTS.map(([key, label]) => `  ${label.padEnd(10)} ${facts[key]}`)
    const changes = (facts.changes ?? []).map(
      ({ said, now, source }) => `  changed    ${plain(said)} → ${plain(now)} ${source}`,
    )
    return ['', name, ...lines, ...changes]
  })
  return `${[...table, ...more].join('\n')}\n`
}

const plain = (text: string) => text.replaceAll('`', '')

/** The page `docs/providers/README.md`. */
export function asPage(all: readonly Compared[]): string {
  const cells = (row: readonly string[]) => `| ${row.join(' | ')} |`
  const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
    [cells(head), cells(head.map(() => '---')), ...rows.map(cells)].join('\n')
  const linked = (name: string) => (name === 'simulated' ? name : `[${name}](${name}.md)`)
  const carries = all.map(one => {
    const [provider, ...row] = rowOf(one)
    return [linked(provider!), ...row, listed(one.bars)]
  })
  const facts = byProvider(all).map(([name, [one]]) => [
    linked(name),
    ...FACTS.map(([key]) => one!.facts?.[key] ?? '–'),
  ])
  const changes = byProvider(all).flatMap(([name, [one]]) =>
    (one!.facts?.changes ?? []).map(({ said, now, source }) => [
      name,
      said,
      `${now} [↗](${source})`,
    ]),
  )
  const docs = byProvider(all).flatMap(([name, [one]]) =>
    one!.facts?.docs ? [`[${name}](${one!.facts.docs})`] : [],
  )
  return `<!-- Written by \`npm run docs\` from what the providers say of themselves; change it there. -->

# Providers

\`tickwire providers\` prints this for a terminal, \`tickwire providers --json\` as data; in a program it is \`provider.capabilities\`. A venue that is not here:
[\`json\`](json.md) by configuration, or [a provider of your own](adding.md).

## What they carry

L1 is the best bid and ask, L2 the book. History is what holes are filled from.

${table([...HEAD, 'bars streamed'], carries)}

## How they work

Whatever a venue does, a feed connects again by itself, asks for what it had, says what it missed and fills it in where there is a history.

${table(['provider', ...FACTS.map(([, label]) => label)], facts)}

The vendors' own pages: ${docs.join(' · ')}

## What articles say, and what is so today

${table(['provider', 'said', 'now'], changes)}
`
}
