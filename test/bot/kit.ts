import { BotLoop, type LoopOptions } from '../../src/bot/loop.ts'
import type { Fill, Order } from '../../src/bot/orders.ts'
import {
  type BotContext,
  type Decision,
  defineStrategy,
  type StrategyDefinition,
} from '../../src/bot/strategy.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'

/** A Tuesday, 10:00 in New York. */
export const T0 = Date.UTC(2024, 0, 16, 15)

let nextId = 1

export const trade = (at: number, price: number, size = 100, more: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'trade', source: 's', symbol: 'SPY', timestamp: T0 + at, receivedAt: T0 + at },
    ...{ price, size, id: nextId++, exchange: 'V', ...more },
  })

export const quote = (
  at: number,
  [bid, bidSize, ask, askSize]: readonly [number, number, number, number],
  more: object = {},
): MarketEvent =>
  createEvent({
    ...{ type: 'quote', source: 's', symbol: 'SPY', timestamp: T0 + at, receivedAt: T0 + at },
    ...{ bid, bidSize, ask, askSize, ...more },
  })

export const bar = (
  at: number,
  ohlc: readonly [number, number, number, number],
  more: object = {},
) =>
  createEvent({
    ...{ type: 'bar', source: 's', symbol: 'SPY', interval: '1m', timestamp: T0 + at - 60_000 },
    ...{ receivedAt: T0 + at, open: ohlc[0], high: ohlc[1], low: ohlc[2], close: ohlc[3] },
    ...{ volume: 1_000, final: true, revision: 0, ...more },
  })

export const notice = (at: number, name: string, more: object = {}): MarketEvent =>
  createEvent({
    ...{ type: 'notice', source: 's', notice: name, message: name, timestamp: T0 + at },
    ...{ receivedAt: T0 + at, ...more },
  } as never)

/** A bot whose moves the test makes: `act` is called at the next trade, quote or bar. */
export function puppet(
  options: Partial<LoopOptions<never>> = {},
  more: Partial<StrategyDefinition<never>> = {},
) {
  const fills: Fill[] = []
  const orders: Order[] = []
  const decisions: Decision[] = []
  let next: ((bot: BotContext<never>) => void) | undefined
  const move = (_event: unknown, bot: BotContext<never>) => {
    const act = next
    next = undefined
    act?.(bot)
  }
  const strategy = defineStrategy<never>({
    ...{ name: 'puppet', onTrade: move, onQuote: move, onBar: move },
    subscribe: { venueBars: '1m' },
    ...more,
  })
  const loop = new BotLoop<never>({
    ...{ strategy, params: undefined as never, symbols: ['SPY'] },
    paper: { latencyMs: 10 },
    ...options,
    listener: {
      fill: fill => fills.push(fill),
      order: order => orders.push({ ...order }),
      decided: decision => decisions.push(decision),
    },
  })
  const give = (...events: readonly MarketEvent[]) => {
    for (const event of events) loop.accept(event)
  }
  return {
    ...{ loop, fills, orders, decisions, give },
    /** Gives the event, and acts on it. */
    on: (event: MarketEvent, act: (bot: BotContext<never>) => void) => {
      next = act
      give(event)
    },
    /** Price and quantity of each fill. */
    said: () => fills.map(({ price, quantity, liquidity }) => [price, quantity, liquidity]),
    refusals: () => decisions.flatMap(it => (it.approved ? [] : [it.refusal.code])),
  }
}
