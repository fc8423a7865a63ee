import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { TickwireError } from '../../base/errors.ts'
import { loadBot, type SavedBot } from '../../bot/state.ts'
import { runTask } from '../asking.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { say, screenOf } from '../console.ts'
import { dataFolder } from '../recording.ts'
import { TablePrinter } from '../table.ts'
import { stateFile } from './bot-words.ts'

export interface BotFlags {
  readonly data?: string
  readonly config?: string
  readonly debug?: boolean
  readonly json?: boolean
}

/** `tickwire bot list`: the bots of a data folder, and what each holds. */
export async function botList(flags: BotFlags, around: Surroundings): Promise<number> {
  const bots = savedBots(flags, around)
  return runTask(flags, async (_run, output) => {
    if (flags.json) output.put(bots.map(bot => `${JSON.stringify(summaryOf(bot))}\n`).join(''))
    else if (bots.length === 0) say('no bot has run here yet: tickwire bot run FILE')
    else {
      const columns = ['bot', 'strategy', 'account', 'seen until', 'cash', 'positions', 'open']
      const table = new TablePrinter(
        columns.map(name => ({ name, type: 'VARCHAR' })),
        screenOf(around),
      )
      output.put(table.write(bots.map(bot => Object.values(summaryOf(bot)).map(String))))
    }
    await output.flush()
    return 0
  })
}

function savedBots(flags: BotFlags, around: Surroundings): SavedBot[] {
  const folder = join(
    dataFolder(loadConfig(around, { file: flags.config }), flags.data, around),
    'bots',
  )
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(name => name.endsWith('.json'))
    .map(name => loadBot(join(folder, name))!)
}

function summaryOf({ bot, strategy, account, snapshot }: SavedBot) {
  const { portfolio, orders, now } = snapshot
  const held = portfolio.positions.filter(({ quantity }) => quantity !== '0')
  return {
    ...{ bot, strategy, account, seenUntil: new Date(now).toISOString() },
    cash: Number(portfolio.cash).toFixed(2),
    positions: held.map(({ symbol, quantity }) => `${symbol} ${quantity}`).join(', '),
    open: orders.filter(({ status }) => /^(submitted|open|partly-filled)$/.test(status)).length,
  }
}

/** `tickwire bot state`: all that a bot has saved, as JSON. */
export async function botState(
  name: string,
  flags: BotFlags,
  around: Surroundings,
): Promise<number> {
  const folder = dataFolder(loadConfig(around, { file: flags.config }), flags.data, around)
  const saved = loadBot(stateFile(folder, name))
  if (!saved) {
    throw new TickwireError('BAD_OPTION', `no bot called ${name} has run here`, {
      hint: '`tickwire bot list` shows those that have.',
    })
  }
  return runTask(flags, async (_run, output) => {
    output.put(`${JSON.stringify(saved, null, 2)}\n`)
    await output.flush()
    return 0
  })
}

/** `tickwire bot new`: a strategy to begin with, and a test beside it. */
export async function botNew(name: string, around: Surroundings): Promise<number> {
  if (!/^[\w-]{1,40}$/.test(name)) {
    throw new TickwireError('BAD_OPTION', `a strategy cannot be called ${JSON.stringify(name)}`, {
      hint: 'Up to 40 letters, digits, "-" and "_".',
    })
  }
  const files = { [`${name}.mjs`]: STRATEGY, [`${name}.test.mjs`]: TEST }
  for (const file of Object.keys(files)) {
    if (!existsSync(resolve(around.cwd, file))) continue
    throw new TickwireError('FILE_EXISTS', `${file} is already there`, {
      hint: 'Take another name.',
    })
  }
  for (const [file, content] of Object.entries(files)) {
    writeFileSync(resolve(around.cwd, file), content.replaceAll('NAME', basename(name)))
  }
  say(`wrote ${Object.keys(files).join(' and ')}`)
  say(
    `  → tickwire backtest ${name}.mjs --symbols SPY, tickwire bot run ${name}.mjs --symbols SPY, node --test`,
  )
  return 0
}

const STRATEGY = `// Buys when the price is above its average and nothing is held, sells when it is below.
import { defineStrategy } from 'tickwire/bot'
import { Sma } from 'tickwire/indicators'
import { z } from 'zod'

export default defineStrategy({
  name: 'NAME',
  params: z.object({
    period: z.coerce.number().int().min(2).default(50),
    quantity: z.coerce.number().positive().default(1),
  }),
  onTrade({ symbol, price }, bot) {
    const { period, quantity } = bot.params
    const average = bot.indicator('average ' + symbol, () => new Sma(period)).update(price)
    if (average === undefined || bot.openOrders.length > 0) return
    const held = bot.position(symbol).quantity
    if (price > average && held === 0) bot.buy(symbol, quantity)
    else if (price < average && held > 0) bot.sell(symbol, held)
  },
})
`

const TEST = `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEvent } from 'tickwire'
import { BotLoop } from 'tickwire/bot'
import strategy from './NAME.mjs'

/** A Tuesday, 10:00 in New York. */
const start = Date.UTC(2024, 0, 16, 15)
const trade = (at, price) =>
  createEvent({ type: 'trade', source: 'test', symbol: 'SPY', timestamp: start + at, receivedAt: start + at, price, size: 100 })

test('buys above the average and sells below it', () => {
  const fills = []
  const params = strategy.params.parse({ period: 3 })
  const listener = { fill: fill => fills.push(fill.side) }
  const bot = new BotLoop({ strategy, params, symbols: ['SPY'], listener })
  const prices = [100, 100, 100, 101, 102, 103, 99, 98, 97]
  prices.forEach((price, i) => bot.accept(trade(i * 2_000, price)))
  assert.deepEqual(fills, ['buy', 'sell'])
})
`
