// 13: records three seconds of a market, stores them, and asks: events, bars, SQL, Parquet files.
//
//   node examples/13-history.mjs
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFeed, openFileTape, toISO } from 'tickwire'
import { openHistory } from 'tickwire/history'
import { simulated } from 'tickwire/simulated'

console.log('SIMULATED: invented prices, not real ones')

// `tickwire up` does this part, and keeps doing it; a program that has it running asks './.tickwire' in the same words.
const folder = await mkdtemp(join(tmpdir(), 'history-'))
const tape = await openFileTape({ folder: join(folder, 'tape') })
const feed = openFeed(simulated({ rate: 200 }))
feed.pipe(tape)
await feed.subscribe({ trades: ['SPY', 'TSLA'], quotes: 'SPY' })
console.log('recording for three seconds …')
await new Promise(resolve => setTimeout(resolve, 3_000))
await feed.close()
await tape.close()

try {
  const history = await openHistory(folder)

  let shown = 0
  for await (const trade of history.trades('SPY')) {
    console.log(`${toISO(trade)}  ${trade.symbol}  ${trade.price}  ${trade.size}`)
    if (++shown === 3) break
  }

  const [bar] = await history.bars('SPY', { interval: '1s' }).toArray()
  if (bar)
    console.log(
      `the first second: open ${bar.open}, high ${bar.high}, low ${bar.low}, close ${bar.close}`,
    )

  const { columns, rows } = await history.sql(
    'select symbol, count(*) as trades, min(price) as low, max(price) as high from trades group by all order by all',
  )
  console.log(columns.map(({ name }) => name).join('  '))
  for await (const batch of rows) for (const row of batch) console.log(row.join('  '))

  const [quote] = await history.asOf({ kind: 'quote', symbols: ['SPY'], time: Date.now() })
  if (quote) console.log(`the last quote: ${quote.bid} / ${quote.ask}`)

  // For a notebook: pandas.read_parquet(path), polars.read_parquet(path), duckdb.read_parquet(path).
  const files = await history.parquet({ kinds: ['trade'] })
  console.log(`${files.length} Parquet file of trades`)

  // Or as Arrow: `tableFromIPC(stream)` of apache-arrow reads it.
  let bytes = 0
  for await (const part of history.trades('*').arrow()) bytes += part.length
  console.log(`${bytes} bytes of Arrow`)
  await history.close()
} catch (error) {
  if (error.code !== 'STORE_DRIVER_MISSING') throw error
  console.log(`${error.message}: ${error.hint}`)
}
await rm(folder, { recursive: true })
