// Moving-average crossover, looked at on each trade: buys when the fast average is above the slow one and nothing is held,
// sells when it is below and something is.
import { defineStrategy } from 'tickwire/bot'
import { Ema } from 'tickwire/indicators'
import { z } from 'zod'

export default defineStrategy({
  name: 'moving-average',
  params: z.object({
    fast: z.coerce.number().int().min(2).default(20),
    slow: z.coerce.number().int().min(3).default(60),
    quantity: z.coerce.number().positive().default(10),
  }),
  onTrade({ symbol, price }, bot) {
    const { fast, slow, quantity } = bot.params
    const above = bot.indicator(`fast ${symbol}`, () => new Ema(fast)).update(price)
    const below = bot.indicator(`slow ${symbol}`, () => new Ema(slow)).update(price)
    if (above === undefined || below === undefined || bot.openOrders.length > 0) return
    const held = bot.position(symbol).quantity
    if (above > below && held === 0) {
      const { approved } = bot.buy(symbol, quantity, { reason: `${fast} above ${slow}` })
      if (approved) bot.signal(`buy ${quantity} ${symbol} at about ${price}`)
    } else if (above < below && held > 0) {
      const { approved } = bot.sell(symbol, held, { reason: `${fast} below ${slow}` })
      if (approved) bot.signal(`sell ${held} ${symbol} at about ${price}`)
    }
  },
})
