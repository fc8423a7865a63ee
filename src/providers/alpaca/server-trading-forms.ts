import { calendarOf } from '../../market/calendar-book.ts'
import {
  type DeskFill,
  type DeskOrder,
  type DeskUpdate,
  left,
  type TradingDesk,
} from './server-trading-desk.ts'

// What Alpaca's trading API answers with, https://docs.alpaca.markets/reference: every number is text.

const time = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString()

const money = (value: number): string => String(Math.round(value * 1e9) / 1e9)

const isCrypto = (symbol: string): boolean => symbol.includes('/')

/** Ids of assets that stay the same from one start to the next. */
export function assetId(symbol: string): string {
  const hex = Buffer.from(symbol.padEnd(16, '\0')).toString('hex').slice(0, 32)
  return [0, 8, 12, 16, 20].map((from, at) => hex.slice(from, [8, 12, 16, 20, 32][at])).join('-')
}

export function orderForm(order: DeskOrder) {
  const { symbol, filled, status, endedAt } = order
  const ended = (how: string) => (status === how ? time(endedAt) : null)
  return {
    ...{ id: order.id, client_order_id: order.clientId, created_at: time(order.createdAt) },
    ...{ updated_at: time(order.updatedAt), submitted_at: time(order.createdAt) },
    ...{
      filled_at: time(order.filledAt),
      expired_at: ended('expired'),
      canceled_at: ended('canceled'),
    },
    ...{ failed_at: ended('rejected'), replaced_at: ended('replaced') },
    ...{ replaced_by: order.replacedBy ?? null, replaces: order.replaces ?? null },
    ...{
      asset_id: assetId(symbol),
      symbol,
      asset_class: isCrypto(symbol) ? 'crypto' : 'us_equity',
    },
    ...{ notional: null, qty: money(order.quantity), filled_qty: money(filled) },
    filled_avg_price: filled > 0 ? money(order.worth / filled) : null,
    ...{ order_class: '', order_type: order.type, type: order.type, side: order.side },
    time_in_force: order.timeInForce,
    limit_price: order.limitPrice === undefined ? null : money(order.limitPrice),
    stop_price: order.stopPrice === undefined ? null : money(order.stopPrice),
    ...{ status, extended_hours: order.extendedHours, legs: null, trail_percent: null },
    ...{ trail_price: null, hwm: null, subtag: null, source: null },
    ...(order.reason !== undefined && { reject_reason: order.reason }),
  }
}

/** The `data` of an update of the stream. */
export function updateForm({ event, order, fill, at }: DeskUpdate) {
  return {
    ...{ event, timestamp: time(at), order: orderForm(order) },
    ...(fill && {
      ...{ execution_id: fill.id, price: money(fill.price), qty: money(fill.quantity) },
      position_qty: money(fill.held),
    }),
  }
}

export function accountForm(desk: TradingDesk) {
  const { long, short } = desk.worth()
  const equity = money(desk.cash + long + short)
  const power = money(Math.max(0, desk.buyingPower()))
  const { id, createdAt } = desk.account
  return {
    ...{ id, account_number: `SIM${id.slice(0, 6).toUpperCase()}`, status: 'ACTIVE' },
    ...{
      crypto_status: 'ACTIVE',
      currency: 'USD',
      cash: money(desk.cash),
      equity,
      last_equity: equity,
    },
    ...{ portfolio_value: equity, buying_power: power, regt_buying_power: power },
    ...{
      daytrading_buying_power: '0',
      non_marginable_buying_power: power,
      effective_buying_power: power,
    },
    ...{ long_market_value: money(long), short_market_value: money(short), multiplier: '1' },
    ...{ initial_margin: '0', maintenance_margin: '0', last_maintenance_margin: '0', sma: '0' },
    ...{ daytrade_count: 0, pattern_day_trader: false, trading_blocked: false },
    ...{ transfers_blocked: false, account_blocked: false, trade_suspended_by_user: false },
    ...{ shorting_enabled: true, accrued_fees: '0', created_at: time(createdAt) },
  }
}

export function positionForm(
  desk: TradingDesk,
  { symbol, quantity, averagePrice }: ReturnType<TradingDesk['positions']>[number],
) {
  const price = desk.exchange.price(symbol) ?? averagePrice
  const [worth, cost] = [quantity * price, quantity * averagePrice]
  const open = desk.open().filter(one => one.symbol === symbol)
  const going = open
    .filter(one => one.side === (quantity > 0 ? 'sell' : 'buy'))
    .reduce((sum, one) => sum + left(one), 0)
  const gain = money(worth - cost)
  const part = cost === 0 ? '0' : money((worth - cost) / Math.abs(cost))
  return {
    asset_id: assetId(symbol),
    // Pairs have no slash here. https://docs.alpaca.markets/docs/crypto-trading
    symbol: symbol.replace('/', ''),
    ...{ exchange: isCrypto(symbol) ? 'CRYPTO' : 'NASDAQ' },
    ...{ asset_class: isCrypto(symbol) ? 'crypto' : 'us_equity', asset_marginable: false },
    ...{ qty: money(quantity), qty_available: money(Math.max(0, Math.abs(quantity) - going)) },
    ...{ avg_entry_price: money(averagePrice), side: quantity > 0 ? 'long' : 'short' },
    ...{
      market_value: money(worth),
      cost_basis: money(cost),
      unrealized_pl: gain,
      unrealized_plpc: part,
    },
    ...{
      unrealized_intraday_pl: gain,
      unrealized_intraday_plpc: part,
      current_price: money(price),
    },
    ...{ lastday_price: money(price), change_today: '0' },
  }
}

export function activityForm({ id, orderId, symbol, side, price, quantity, timestamp }: DeskFill) {
  const digits = new Date(timestamp).toISOString().replace(/\D/g, '')
  return {
    ...{ id: `${digits}::${id}`, activity_type: 'FILL', type: 'fill', order_id: orderId },
    ...{
      symbol,
      side,
      price: money(price),
      qty: money(quantity),
      transaction_time: time(timestamp),
    },
    ...{ cum_qty: money(quantity), leaves_qty: '0', order_status: 'filled' },
  }
}

export function assetForm(symbol: string) {
  const crypto = isCrypto(symbol)
  return {
    ...{ id: assetId(symbol), class: crypto ? 'crypto' : 'us_equity', symbol, name: symbol },
    ...{ exchange: crypto ? 'CRYPTO' : 'NASDAQ', status: 'active', tradable: true },
    ...{ marginable: false, shortable: !crypto, easy_to_borrow: !crypto, fractionable: true },
    ...(crypto && {
      min_order_size: '0.000001',
      min_trade_increment: '0.000000001',
      price_increment: '0.01',
    }),
  }
}

const us = calendarOf('SPY')!

/** The times of a moment in New York, with their offset. */
function inNewYork(ms: number): string {
  const parts = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: 'America/New_York', hourCycle: 'h23', timeZoneName: 'longOffset' },
    ...{ year: 'numeric', month: '2-digit', day: '2-digit' },
    ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
  }).formatToParts(ms)
  const of = (type: string) => parts.find(part => part.type === type)!.value
  const offset = of('timeZoneName').replace('GMT', '') || 'Z'
  return `${of('year')}-${of('month')}-${of('day')}T${of('hour')}:${of('minute')}:${of('second')}${offset}`
}

export function clockForm(now: number) {
  const session = us.sessionAt(now)
  const isOpen = session.name === 'regular'
  const nextOpen = us.opensAt(isOpen ? session.to : now)!
  const nextClose = isOpen ? session.to : us.sessionAt(nextOpen).to
  return {
    ...{ timestamp: inNewYork(now), is_open: isOpen },
    ...{ next_open: inNewYork(nextOpen), next_close: inNewYork(nextClose) },
  }
}

const DAY_MS = 86_400_000
const LONGEST_DAYS = 3_660

/** Trading days of the US market between two dates, both included. */
export function calendarForm(start: string, end: string) {
  const days = []
  const [from, to] = [Date.parse(`${start}T00:00Z`), Date.parse(`${end}T00:00Z`)]
  for (let at = from; at <= to && at < from + LONGEST_DAYS * DAY_MS; at += DAY_MS) {
    const date = new Date(at).toISOString().slice(0, 10)
    const { sessions } = us.day(date)
    const regular = sessions.find(({ name }) => name === 'regular')
    if (!regular) continue
    const [first, last] = [
      sessions.find(one => one.name === 'pre'),
      sessions.findLast(one => one.name === 'post'),
    ]
    const clock = (ms: number) => inNewYork(ms).slice(11, 16)
    days.push({
      ...{ date, open: clock(regular.from), close: clock(regular.to), settlement_date: date },
      session_open: clock(first?.from ?? regular.from).replace(':', ''),
      session_close: clock(last?.to ?? regular.to).replace(':', ''),
    })
  }
  return days
}
