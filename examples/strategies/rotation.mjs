// Several symbols at once: every minute holds the one that has risen most over the last bars, and no other.
import { defineStrategy } from 'tickwire/bot'
import { z } from 'zod'

export default defineStrategy({
  name: 'rotation',
  params: z.object({
    bars: z.coerce.number().int().min(1).default(5),
    notional: z.coerce.number().positive().default(10_000),
  }),
  subscribe: { trades: true, bars: '1m' },
  onBar({ symbol, close }, bot) {
    const closes = (bot.state.closes ??= {})
    closes[symbol] = [...(closes[symbol] ?? []), close].slice(-(bot.params.bars + 1))
    bot.setTimer('choose', 2_000)
  },
  onTimer(_name, bot) {
    const rises = Object.entries(bot.state.closes ?? {})
      .filter(([, closes]) => closes.length > bot.params.bars)
      .map(([symbol, closes]) => ({ symbol, rise: closes.at(-1) / closes[0] - 1 }))
      .sort((a, b) => b.rise - a.rise)
    const [best] = rises
    if (!best) return
    for (const { symbol, quantity } of bot.positions) {
      if (quantity > 0 && symbol !== best.symbol) bot.close(symbol)
    }
    const price = bot.price(best.symbol)
    if (best.rise <= 0 || price === undefined || bot.position(best.symbol).quantity > 0) return
    bot.buy(best.symbol, Math.floor(bot.params.notional / price), {
      reason: `${(best.rise * 100).toFixed(2)} %`,
    })
  },
})
