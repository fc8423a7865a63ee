import { type ErrorCode, TickwireError } from '../../base/errors.ts'
import type { LatestSource } from '../../flow/contracts.ts'
import { type EventType, Flag, type MarketEvent } from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import type { Surroundings } from '../config.ts'
import { say } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { chooseProvider, inSettings } from '../providers.ts'
import { amount } from '../rows.ts'
import { bannerOf, checkFlags, DELAYED, resolveConfig, type StreamFlags } from './stream.ts'

/** What a glance asks for, as far as the venue has it. */
const KINDS = ['quote', 'trade', 'ticker'] as const satisfies readonly EventType[]
const CHANNEL_OF = { quote: 'quotes', trade: 'trades', ticker: 'tickers' } as const
/** Refusals of a kind, not of who asks. */
const OF_KIND: readonly ErrorCode[] = ['UNSUPPORTED', 'NOT_ENTITLED']
/** Without an answer for so long, a word is said, ms. */
const PATIENCE_MS = 2_000

/** `tickwire quote`: the latest of each symbol, asked for once, without a stream. Resolves with the exit code. */
export async function quote(words: readonly string[], flags: StreamFlags, around: Surroundings) {
  const chosen = chooseProvider(resolveConfig(around, flags), {})
  // The next command is to read the same provider, whether it was named or configured.
  const same = `--provider ${chosen.name}`
  checkFlags(chosen, flags)
  const { provider } = chosen
  const symbols = (parseSymbols(words) ?? []).map(word => {
    try {
      return provider.symbol(word)
    } catch (error) {
      throw inSettings(error)
    }
  })
  if (symbols.length === 0) {
    throw new TickwireError('NO_SYMBOLS', 'quote: no symbols given', {
      hint: 'As in: tickwire quote SPY.',
    })
  }
  const { latest, capabilities } = provider
  if (!latest) {
    throw new TickwireError('UNSUPPORTED', `${capabilities.title} answers no single questions`, {
      hint: `Its stream does: tickwire stream ${symbols[0]} ${same} --limit 1.`,
    })
  }
  const { bySymbol, notes } = await ask(latest.bind(provider), symbols, {
    kinds: capabilities.kinds,
    title: capabilities.title,
  })
  const isLate = [...bySymbol.values()].flat().some(({ flags: marks }) => marks & Flag.delayed)
  // A venue may answer late where its stream would not be.
  const banner = isLate ? DELAYED : bannerOf(capabilities)
  if (flags.json) {
    for (const events of bySymbol.values())
      for (const event of events) console.log(encodeEvent(event))
  } else {
    if (banner) console.log(banner)
    console.log(rows(symbols, bySymbol).join('\n'))
  }
  for (const line of notes) say(line)
  const silent = symbols.filter(symbol => (bySymbol.get(symbol) ?? []).length === 0)
  if (silent.length > 0) say(`nothing is known of ${silent.join(', ')}`)
  return silent.length === symbols.length ? 1 : 0
}

interface Asking {
  /** Kinds the venue has. */
  readonly kinds: readonly EventType[]
  readonly title: string
}

type BySymbol = ReadonlyMap<string, readonly MarketEvent[]>

async function ask(
  latest: LatestSource['latest'],
  symbols: readonly string[],
  { kinds, title }: Asking,
): Promise<{ readonly bySymbol: BySymbol; readonly notes: readonly string[] }> {
  const found = new Map<string, MarketEvent[]>(symbols.map(symbol => [symbol, []]))
  const refusals = new Map<(typeof KINDS)[number], TickwireError>()
  const notes = new Set<string>()
  const note = (line: string, hint: string | undefined) => {
    notes.add(line)
    if (hint) notes.add(`  → ${hint}`)
  }
  let answered = 0
  for (const kind of KINDS.filter(one => kinds.includes(one))) {
    const waiting = setTimeout(() => {
      say(
        `no answer yet about ${CHANNEL_OF[kind]}: ${title} is slow, or takes only so many questions`,
      )
    }, PATIENCE_MS)
    try {
      const refused = (which: readonly string[], { message, hint }: TickwireError) =>
        note(`${which.join(', ')}: ${message}`, hint)
      for (const event of await latest({ kind, symbols, refused }))
        found.get(event.symbol ?? '')?.push(event)
      answered++
    } catch (error) {
      // A venue streams kinds it cannot be asked for, a plan lacks some of them; the others still tell.
      if (!(error instanceof TickwireError && OF_KIND.includes(error.code))) throw error
      refusals.set(kind, error)
    } finally {
      clearTimeout(waiting)
    }
  }
  const lacking = [...refusals].filter(([, { code }]) => code === 'NOT_ENTITLED')
  const [first] = [...lacking.map(([, error]) => error), ...refusals.values()]
  if (answered === 0 && first) throw first
  for (const [kind, { message, hint }] of lacking) note(`no ${CHANNEL_OF[kind]}: ${message}`, hint)
  return { bySymbol: found, notes: [...notes] }
}

/** A line a symbol: last price and size, when, bid and ask with sizes. */
function rows(symbols: readonly string[], bySymbol: BySymbol): string[] {
  const head = ['symbol', 'last', 'size', 'bid', 'size', 'ask', 'size', 'as of (UTC)']
  const table = symbols.map(symbol => {
    const events = bySymbol.get(symbol) ?? []
    const of = <T extends EventType>(type: T) =>
      events.find((event): event is Extract<MarketEvent, { type: T }> => event.type === type)
    const [trade, top, ticker] = [of('trade'), of('quote'), of('ticker')]
    const newest = Math.max(...events.map(({ timestamp }) => timestamp))
    const numbers = [
      ...[trade?.price ?? ticker?.last, trade?.size ?? ticker?.lastSize],
      ...[top?.bid ?? ticker?.bid, top?.bidSize ?? ticker?.bidSize],
      ...[top?.ask ?? ticker?.ask, top?.askSize ?? ticker?.askSize],
    ]
    const cells = numbers.map(number => (number === undefined ? '-' : amount(number)))
    const when =
      events.length > 0 ? new Date(newest).toISOString().replace('T', ' ').slice(0, 23) : '-'
    return [symbol, ...cells, when]
  })
  const widths = head.map((title, i) => Math.max(title.length, ...table.map(row => row[i]!.length)))
  return [head, ...table].map(row =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  '),
  )
}
