// 09: the minute bars of an invented trading day, with RSI, Bollinger bands and the session's VWAP: a line for every 30th.
//
//   node examples/09-indicators.mjs
import { openFeed, toISO, usEquities } from 'tickwire'
import { Bollinger, Rsi, SessionVwap } from 'tickwire/indicators'
import { simulated } from 'tickwire/simulated'

console.log('SIMULATED: invented prices, not real ones')

const feed = openFeed(simulated({ day: '2025-06-02' }))
const bands = new Bollinger(20, 2)
const vwap = new SessionVwap({ calendar: usEquities })
let rsi = new Rsi(14)

// Two digits, or a dash as long as there is no value.
const show = value => (value === undefined ? '—' : value.toFixed(2)).padStart(7)

let count = 0
for await (const bar of feed.bars('SPY')) {
  if (!bar.final || bar.revision > 0) continue
  rsi.update(bar)
  bands.update(bar)
  vwap.update(bar)
  if (count++ % 30 === 0) {
    const { lower, upper } = bands.value ?? {}
    console.log(
      `${toISO(bar).slice(11, 16)}  close ${show(bar.close)}  RSI ${show(rsi.value)}  ` +
        `bands ${show(lower)} … ${show(upper)}  VWAP ${show(vwap.value)}`,
    )
  }
  if (count === 200) {
    // What a restarted program does: it goes on from what it saved, to the last bit.
    const saved = JSON.stringify(rsi.snapshot())
    rsi = new Rsi(14)
    rsi.restore(JSON.parse(saved))
  }
}
console.log(`${count} bars`)
