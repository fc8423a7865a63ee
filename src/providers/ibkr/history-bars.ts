/** Bars of 5 s of the past, an hour at a time. https://interactivebrokers.github.io/tws-api/historical_bars.html */
import type { Bar, MarketEvent } from '../../market/events.ts'
import {
  answered,
  type Context,
  type HistoryOptions,
  TIMEOUT_MS,
  utcText,
  wrong,
} from './history-question.ts'
import { barOf, type Stamp, timeOf } from './ticks.ts'

const BAR_MS = 5_000
/** What one question is about. */
const BARS_MS = 3_600_000

export async function* bars(
  context: Context,
  { pace, clock }: HistoryOptions,
  from: number,
  to: number,
): AsyncGenerator<MarketEvent[]> {
  const { tws, resolved, source, malformed, signal } = context
  const { contract, secType, symbol } = resolved
  const what = secType === 'CRYPTO' ? 'AGGTRADES' : 'TRADES'
  const until = Math.min(to, clock.now())
  for (let start = Math.floor(from / 5_000) * 5_000; start <= until; start += BARS_MS) {
    // The bar that begins at the end is in what was asked for.
    const end = Math.min(start + BARS_MS, Math.floor(until / 5_000) * 5_000 + 5_000)
    const seconds = (end - start) / 1_000
    const endText = utcText(end / 1_000)
    const name = `${contract.conId} ${contract.exchange} ${what}`
    const text = `bars ${name} ${endText} ${seconds}`
    const leaves = await pace.turn({ text, contract: name, weight: 1 }, signal)
    const found: Bar[] = []
    const stamp: Stamp = { symbol, source, receivedAt: clock.now(), flags: 0 }
    let askedAt = 0
    await answered(found, options =>
      tws.requests.ask(
        (ib, id) => {
          leaves()
          askedAt = clock.now()
          ib.reqHistoricalData(
            ...([id, contract, endText, `${seconds} S`, '5 secs' as never] as const),
            ...([what as never, 0, 2, false] as const),
          )
        },
        (done, failed) => ({
          pastBar: (date, open, high, low, close, volume, count, vwap) => {
            if (date.startsWith('finished')) return done()
            if (timeOf(date) === undefined) {
              if (!malformed) failed(wrong(`a bar of ${symbol} at ${date.slice(0, 40)}`))
              else malformed({ date, open, high, low, close, volume }, 'no time')
              return
            }
            const bar = barOf(stamp, date, [open, high, low, close], volume, vwap, count)
            // The bar of now is told too, as far as it has come, which looks like a bar and is none yet.
            const isOver = bar && bar.timestamp + BAR_MS <= askedAt
            if (isOver && bar.timestamp >= Math.max(from, start) && bar.timestamp <= to)
              found.push(bar)
          },
        }),
        { ...options, what: `the bars of ${symbol}`, timeoutMs: TIMEOUT_MS, signal },
      ),
    )
    const isOrdered = found.every((bar, i) => i === 0 || bar.timestamp > found[i - 1]!.timestamp)
    if (!isOrdered) throw wrong(`bars of ${symbol} out of order`)
    // The hour's last bar is the next one's first where TWS counts the end in.
    const batch = found.filter(({ timestamp }) => timestamp < end)
    if (batch.length > 0) yield batch
  }
}
