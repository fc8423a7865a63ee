// Order-book imbalance: buys when far more stands on the bid than on the ask near the best prices, leaves when that turns.
import { defineStrategy } from 'tickwire/bot'
import { z } from 'zod'

export default defineStrategy({
  name: 'book-imbalance',
  params: z.object({
    levels: z.coerce.number().int().min(1).default(5),
    enter: z.coerce.number().min(0).max(1).default(0.4),
    leave: z.coerce.number().min(-1).max(1).default(0),
    notional: z.coerce.number().positive().default(1_000),
  }),
  onBook(book, bot) {
    const { levels, enter, leave, notional } = bot.params
    const { symbol, mid } = book
    const imbalance = book.imbalance(levels)
    if (imbalance === undefined || mid === undefined || bot.openOrders.length > 0) return
    const held = bot.position(symbol).quantity
    if (held === 0 && imbalance > enter) {
      bot.buy(symbol, Number((notional / mid).toFixed(6)), {
        reason: `imbalance ${imbalance.toFixed(2)}`,
      })
    } else if (held > 0 && imbalance < leave) {
      bot.sell(symbol, held, { reason: `imbalance ${imbalance.toFixed(2)}` })
    }
  },
})
