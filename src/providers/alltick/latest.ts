/** The last of each kind, by REST. https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api/blob/main/http_interface */
import { TickwireError } from '../../base/errors.ts'
import { silentLog } from '../../base/log.ts'
import type { Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import type { LatestRequest } from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { checkInterval, type HistoryOptions, readBars } from './history.ts'
import { Market } from './market.ts'
import { asMap, readFields } from './plain.ts'
import { rowsOf, wrong } from './rest.ts'
import { codeOf } from './symbols.ts'

const KINDS = ['trade', 'quote', 'ticker', 'book', 'bar'] as const

/** @throws UNSUPPORTED, NO_SYMBOLS, BAD_SYMBOL, as `RestClient.ask` */
export async function allTickLatest(
  options: HistoryOptions,
  request: LatestRequest,
): Promise<MarketEvent[]> {
  const { kind, interval = '1m', source = options.id, signal, malformed } = request
  if (!(KINDS as readonly string[]).includes(kind)) {
    throw new TickwireError('UNSUPPORTED', `AllTick has no latest ${kind}`, {
      hint: `It has ${KINDS.join(', ')}.`,
    })
  }
  if (kind === 'bar') checkInterval(interval, options.market)
  const symbols = [...new Set(request.symbols.map(options.symbol))]
  if (symbols.length === 0) throw new TickwireError('NO_SYMBOLS', 'no symbol is asked for')
  const events: MarketEvent[] = []
  if (kind === 'bar') {
    for (const symbol of symbols) {
      const asked = { symbol, interval, source, signal, malformed }
      // Two: the last one may still run.
      const bar = (await readBars(options.rest, asked, 0, 2)).findLast(({ final }) => final)
      if (bar) events.push(bar)
    }
    return events
  }
  for (let i = 0; i < symbols.length; i += options.rest.batch) {
    events.push(
      ...(await ticks(options, { ...request, source }, symbols.slice(i, i + options.rest.batch))),
    )
  }
  return events
}

/** A record of REST is what a push holds, so it is read in the same way. */
async function ticks(
  { rest, market }: HistoryOptions,
  { kind, source, signal, malformed }: LatestRequest & { readonly source: string },
  symbols: readonly string[],
): Promise<MarketEvent[]> {
  const isTrade = kind === 'trade' || kind === 'ticker'
  const question = { symbol_list: symbols.map(symbol => ({ code: codeOf(symbol) })) }
  const answer = await rest.ask(isTrade ? 'trade-tick' : 'depth-tick', question, signal)
  const found = new Map<string, MarketEvent>()
  const reader = new Market(
    {
      ...{
        source,
        clock: rest.clock,
        log: silentLog,
        signal: signal ?? new AbortController().signal,
      },
      interest: { revision: 1, mask: symbol => (symbols.includes(symbol) ? KIND_BIT[kind] : 0) },
      ...{ emit: () => {}, control: () => {} },
    },
    market,
  )
  const inbox: Inbox = {
    event: event => event.symbol !== undefined && found.set(event.symbol, event),
    ...{ control: () => {}, malformed: () => {}, unknown: () => {} },
  }
  const now = rest.clock.now()
  for (const row of rowsOf(answer.tick_list)) {
    const data = asMap(row) ?? {}
    const listed = typeof data.code === 'string' ? reader.listed(data.code) : undefined
    if (!listed || listed.mask === 0) throw wrong('a code that was not asked for')
    reader.begin()
    const fault =
      readFields(data, reader) ??
      (isTrade ? reader.takeTrade(listed, now, inbox) : reader.takeBook(listed, now, inbox))
    if (fault === undefined) continue
    if (!malformed) throw wrong(`the latest ${kind} of ${listed.symbol} is none: ${fault}`)
    malformed(row, fault)
  }
  return symbols.flatMap(symbol => found.get(symbol) ?? [])
}
