import { Decimal as Plain } from 'decimal.js'
import { type Fill, tidy } from './orders.ts'

/** What a bot holds of a symbol. */
export interface Position {
  readonly symbol: string
  /** Below 0 is short. */
  readonly quantity: number
  /** Of what is held; `undefined` when nothing is. */
  readonly averagePrice: number | undefined
  /** Made by closing, without fees. */
  readonly realized: number
}

/** Kept as text, so that no digit is lost. */
export interface PortfolioSnapshot {
  readonly cash: string
  readonly fees: string
  readonly positions: readonly {
    readonly symbol: string
    readonly quantity: string
    readonly cost: string
    readonly realized: string
  }[]
}

interface Holding {
  quantity: Decimal
  /** Paid for what is held; below 0 when short. */
  cost: Decimal
  realized: Decimal
}

/** An average is a quotient: with so many digits it is put back together without an error anybody could see. */
const Decimal = Plain.clone({ precision: 40 })
type Decimal = Plain

const ZERO = new Decimal(0)

/** Cash and positions of one bot: decimal, so that a million fills add up. */
export class Portfolio {
  #cash: Decimal
  #fees = ZERO
  readonly #holdings = new Map<string, Holding>()
  readonly #shown = new Map<string, Position>()

  constructor(cash: number) {
    this.#cash = new Decimal(cash)
  }

  get cash(): number {
    return this.#cash.toNumber()
  }

  /** Paid so far. */
  get fees(): number {
    return this.#fees.toNumber()
  }

  /** Takes a fill; returns what it made by closing, without its fee. */
  apply({ symbol, side, price, quantity, fee }: Fill): number {
    const holding = this.#holdings.get(symbol) ?? { quantity: ZERO, cost: ZERO, realized: ZERO }
    this.#holdings.set(symbol, holding)
    this.#shown.delete(symbol)
    const signed = new Decimal(quantity).times(side === 'buy' ? 1 : -1)
    this.#cash = this.#cash.minus(signed.times(price)).minus(fee)
    this.#fees = this.#fees.plus(fee)
    // Not by the sign of their product: that of nothing and a sale is a negative 0.
    const closes = !holding.quantity.isZero() && holding.quantity.s !== signed.s
    if (!closes) {
      holding.quantity = holding.quantity.plus(signed)
      holding.cost = holding.cost.plus(signed.times(price))
      return 0
    }
    const closed = Decimal.min(signed.abs(), holding.quantity.abs())
    const average = holding.cost.div(holding.quantity)
    const direction = holding.quantity.s
    const made = new Decimal(price).minus(average).times(closed).times(direction)
    holding.realized = holding.realized.plus(made)
    const left = holding.quantity.plus(signed)
    // What goes beyond closing opens anew, at the price of this fill; of the rest the cost is what was not made good.
    if (left.isZero()) holding.cost = ZERO
    else if (left.s !== direction) holding.cost = left.times(price)
    else holding.cost = holding.cost.plus(signed.times(price)).plus(made)
    holding.quantity = left
    return made.toNumber()
  }

  position(symbol: string): Position {
    const shown = this.#shown.get(symbol)
    if (shown) return shown
    const holding = this.#holdings.get(symbol)
    const position: Position = holding
      ? {
          ...{ symbol, quantity: tidy(holding.quantity.toNumber()) },
          averagePrice: holding.quantity.isZero()
            ? undefined
            : holding.cost.div(holding.quantity).toNumber(),
          realized: holding.realized.toNumber(),
        }
      : { symbol, quantity: 0, averagePrice: undefined, realized: 0 }
    this.#shown.set(symbol, position)
    return position
  }

  /** Of every symbol that was ever traded. */
  positions(): Position[] {
    return [...this.#holdings.keys()].map(symbol => this.position(symbol))
  }

  /** Cash and what the positions are worth; a symbol without a price counts as what was paid. */
  equity(priceOf: (symbol: string) => number | undefined): number {
    let sum = this.#cash
    for (const [symbol, { quantity, cost }] of this.#holdings) {
      if (quantity.isZero()) continue
      const price = priceOf(symbol)
      sum = sum.plus(price === undefined ? cost : quantity.times(price))
    }
    return sum.toNumber()
  }

  snapshot(): PortfolioSnapshot {
    return {
      cash: this.#cash.toString(),
      fees: this.#fees.toString(),
      positions: [...this.#holdings].map(([symbol, { quantity, cost, realized }]) => ({
        ...{ symbol, quantity: quantity.toString(), cost: cost.toString() },
        realized: realized.toString(),
      })),
    }
  }

  restore({ cash, fees, positions }: PortfolioSnapshot): void {
    this.#cash = new Decimal(cash)
    this.#fees = new Decimal(fees)
    this.#holdings.clear()
    this.#shown.clear()
    for (const { symbol, quantity, cost, realized } of positions) {
      this.#holdings.set(symbol, {
        quantity: new Decimal(quantity),
        cost: new Decimal(cost),
        realized: new Decimal(realized),
      })
    }
  }
}
