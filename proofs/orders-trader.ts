// Trades at an account until it is killed: two bots that decide on orders by chance, each of which keeps what it decided
// on disk before it is placed, as a bot's state does. With `settle` it decides nothing new, waits until the broker
// and the journal are of one mind, and prints what it then knows.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../src/base/clock.ts'
import { asError, type TickwireError } from '../src/base/errors.ts'
import { seededRandom } from '../src/base/random.ts'
import { Account } from '../src/bot/account.ts'
import { isOver, type Order } from '../src/bot/orders.ts'
import type { TradingApi } from '../src/bot/trading.ts'
import { alpacaBroker } from '../src/providers/alpaca/broker.ts'
import { openAlgoBroker } from '../src/providers/openalgo/broker.ts'
import type { Mutation } from './orders.ts'

export interface TraderPlan {
  readonly folder: string
  readonly url: string
  /** What the broker speaks. */
  readonly dialect: 'alpaca' | 'openalgo'
  readonly seed: number
  readonly settle: boolean
  readonly timeoutMs: number
  readonly giveUpMs: number
  readonly without: Mutation | undefined
}

/** What the trader knows in the end. */
export interface TraderReport {
  readonly phase: string
  readonly why: string | undefined
  readonly orders: readonly {
    readonly id: string
    /** The broker's own; absent where it has told of none. */
    readonly brokerId: string | undefined
    /** `buy 5 SPY` */
    readonly words: string
    readonly status: string
    readonly filled: number
    readonly averagePrice: number | undefined
  }[]
  readonly held: Readonly<Record<string, number>>
  /** What each bot added up of what it was told, over all its lives. */
  readonly told: Readonly<Record<string, number>>
}

interface BotState {
  count: number
  /** Orders that were decided on, with what the bot has been told of them. */
  readonly orders: { order: Order; filled: number; isOver: boolean }[]
}

/** Longer than an answer may be late and a look takes, however slow the machine is. */
const STILL_MS = 20_000
const BOTS = ['ma', 'ma-2']
const plan = JSON.parse(process.argv[2]!) as TraderPlan
const SYMBOLS =
  plan.dialect === 'alpaca' ? ['SPY', 'QQQ', 'BTC/USD'] : ['NSE:INFY', 'NSE:TCS', 'NSE:SBIN']
const random = seededRandom(plan.seed)
const said: string[] = []

const { folder, giveUpMs, url, timeoutMs } = plan
const api = broken(
  plan.dialect === 'alpaca'
    ? alpacaBroker({ key: 'any', secret: 'any', url, timeoutMs })
    : openAlgoBroker({ apiKey: 'any', url: url.replace('http', 'ws'), restUrl: url, timeoutMs }),
  plan.without,
)
const account = new Account({
  ...{ api, folder: join(folder, 'account'), clock: systemClock(), giveUpMs, lookMs: 400 },
  said: line => said.push(line),
})

const states = new Map(BOTS.map(bot => [bot, load(bot)]))
for (const [bot, state] of states) {
  account.attach(bot, kept => {
    const one = state.orders.find(({ order }) => order.id === kept.order.id)
    if (!one) return
    one.filled = Math.max(one.filled, kept.filled)
    one.isOver = kept.isOver
    save(bot, state)
  })
}
void account.start().catch(error => {
  said.push(asError(error).message)
})
await account.until(() => account.phase !== 'connecting')
for (const [bot, { orders }] of states) {
  // What was decided on and never placed is told apart by the account: the journal has no intent of it.
  for (const one of orders) if (!one.isOver) account.place(bot, one.order)
}
process.stdout.write('ready\n')
if (plan.settle) await settle()
else await trade()

async function trade(): Promise<never> {
  for (;;) {
    const bot = BOTS[Math.floor(random() * BOTS.length)]!
    const state = states.get(bot)!
    const open = state.orders.filter(one => !one.isOver)
    if (random() < 0.25 && open.length > 0)
      account.cancel(open[Math.floor(random() * open.length)]!.order.id)
    else {
      const order = decide(bot, ++state.count)
      state.orders.push({ order, filled: 0, isOver: false })
      save(bot, state)
      account.place(bot, order)
    }
    await sleep(random() * 30)
  }
}

async function settle(): Promise<void> {
  // As long as something still becomes of orders, and then for a while: what never ends will not.
  let seen = ''
  let since = Date.now()
  while (account.phase !== 'stopped' && Date.now() < since + STILL_MS) {
    await sleep(100)
    const open = [...account.books.orders.values()].filter(one => !one.isOver)
    for (const { order } of open) account.cancel(order.id)
    if (open.length === 0 && account.phase === 'ready') break
    const now = open.map(one => `${one.order.id} ${one.status} ${one.filled}`).join()
    if (now === seen) continue
    seen = now
    since = Date.now()
  }
  // The looks behind the last word of the broker find everything as it is.
  for (let looks = 0; looks < 4 && account.phase === 'ready'; looks++) await sleep(450)
  const told: Record<string, number> = {}
  for (const [bot, { orders }] of states) {
    for (const { order, filled } of orders) {
      const key = `${bot} ${order.symbol}`
      told[key] = round((told[key] ?? 0) + (order.side === 'buy' ? filled : -filled))
    }
  }
  const report: TraderReport = {
    ...{ phase: account.phase, why: account.why ?? said.at(-1), told },
    orders: [...account.books.orders.values()].map(one => ({
      ...{ id: one.order.id, brokerId: one.told?.id, status: one.status, filled: one.filled },
      words: `${one.order.side} ${one.order.quantity} ${one.order.symbol}`,
      averagePrice: one.averagePrice,
    })),
    held: Object.fromEntries(
      BOTS.flatMap(bot =>
        [...account.books.heldBy(bot)].map(([symbol, held]) => [`${bot} ${symbol}`, held]),
      ),
    ),
  }
  process.stdout.write(`${JSON.stringify(report)}\n`, () => {
    account.close()
    process.exit(0)
  })
}

function decide(bot: string, n: number): Order {
  const symbol = SYMBOLS[Math.floor(random() * SYMBOLS.length)]!
  const crypto = symbol.includes('/')
  const isLimit = random() < 0.5
  return {
    ...{ id: `${bot}-${n}`, symbol, quantity: crypto ? 0.015 : 1 + Math.floor(random() * 20) },
    // Coins are never sold short.
    side: crypto || random() < 0.6 ? 'buy' : 'sell',
    ...{ type: isLimit ? 'limit' : 'market', limitPrice: isLimit ? 500 : undefined },
    timeInForce: plan.dialect === 'alpaca' ? 'gtc' : 'day',
    ...{ stopPrice: undefined, reason: undefined, createdAt: Date.now() },
    ...{ status: 'submitted', filled: 0, averagePrice: undefined, ending: undefined },
  }
}

function fileOf(bot: string): string {
  return join(plan.folder, `${bot}.json`)
}

function load(bot: string): BotState {
  return existsSync(fileOf(bot))
    ? JSON.parse(readFileSync(fileOf(bot), 'utf8'))
    : { count: 0, orders: [] }
}

function save(bot: string, state: BotState): void {
  writeFileSync(`${fileOf(bot)}.new`, JSON.stringify(state))
  renameSync(`${fileOf(bot)}.new`, fileOf(bot))
}

function round(value: number): number {
  return Math.round(value * 1e9) / 1e9
}

/** An account would lose or double orders at a broker's interface like these: the proof must see it. */
function broken(api: TradingApi, without: Mutation | undefined): TradingApi {
  switch (without) {
    case 'looks':
      return { ...api, ordersSince: async () => [] }
    case 'once':
      return {
        ...api,
        submit: order =>
          api.submit(order).catch(error => {
            if ((error as TickwireError).code === 'ORDER_REJECTED') throw error
            return api.submit({ ...order, id: `${order.id}-again` })
          }),
      }
    case 'sums':
      // What is told as a sum is taken for what came on top.
      return {
        ...api,
        listen: listener => {
          const sums = new Map<string, number>()
          return api.listen({
            ...listener,
            order: told => {
              const sum = (sums.get(told.id) ?? 0) + told.filled
              sums.set(told.id, sum)
              listener.order({ ...told, filled: isOver(told) ? sum : told.filled })
            },
          })
        },
      }
    default:
      return api
  }
}
