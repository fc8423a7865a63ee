/** What IBKR knows of the past, asked through TWS: single trades and quotes, and bars of 5 s. */
import { TickwireError } from '../../base/errors.ts'
import type {
  HistoryRequest,
  HistorySource,
  LatestRequest,
  LatestSource,
} from '../../flow/contracts.ts'
import type { MarketEvent } from '../../market/events.ts'
import { bars } from './history-bars.ts'
import type { Context, HistoryOptions } from './history-question.ts'
import { lastTick, ticks } from './history-ticks.ts'

export function ibkrHistory(options: HistoryOptions): HistorySource & LatestSource {
  return {
    async *history(request) {
      check(request, ['trade', 'quote', 'bar'])
      const { from, to } = request
      if (!(from <= to)) throw new TickwireError('BAD_OPTION', `from ${from} is behind to ${to}`)
      yield* each(request, options, context =>
        request.kind === 'bar'
          ? bars(context, options, from, to)
          : ticks(context, options, request.kind === 'trade' ? 'TRADES' : 'BID_ASK', from, to),
      )
    },
    async latest(request) {
      check(request, ['trade', 'quote'])
      const what = request.kind === 'trade' ? 'TRADES' : 'BID_ASK'
      const found: MarketEvent[] = []
      const lasts = each(request, options, async function* (context) {
        yield await lastTick(context, options, what)
      })
      for await (const batch of lasts) found.push(...batch)
      return found
    },
  }
}

/** One symbol after the other, on one connection. */
async function* each(
  request: HistoryRequest | LatestRequest,
  options: HistoryOptions,
  of: (context: Context) => AsyncIterable<MarketEvent[]>,
): AsyncGenerator<MarketEvent[]> {
  const { source = options.id, malformed, signal } = request
  const desk = await options.desk(signal)
  try {
    for (const text of request.symbols) {
      const symbol = options.symbol(text)
      const resolved = await options.contracts.resolve(desk.tws, symbol)
      if (!resolved.trades && request.kind !== 'quote') {
        throw new TickwireError('UNSUPPORTED', `${symbol} has no ${request.kind}s at IBKR`)
      }
      yield* of({ tws: desk.tws, resolved, source, malformed, signal })
    }
  } finally {
    desk.release()
  }
}

function check({ kind, interval }: HistoryRequest | LatestRequest, kinds: readonly string[]): void {
  if (!kinds.includes(kind)) {
    throw new TickwireError('UNSUPPORTED', `IBKR has no past ${kind} events`, {
      hint: `It has: ${kinds.join(', ')}.`,
    })
  }
  if (kind === 'bar' && interval !== '5s') {
    throw new TickwireError(
      'UNSUPPORTED',
      `IBKR is asked for bars of 5s, not ${interval ?? '1m'}`,
      {
        hint: "Ask for interval: '5s'.",
      },
    )
  }
}
