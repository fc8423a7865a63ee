import type { Side } from '../market/events.ts'
import { type Fill, tidy } from './orders.ts'

/** A round trip: from flat, or the other side, to flat again. */
export interface RoundTrip {
  readonly symbol: string
  readonly side: 'long' | 'short'
  readonly openedAt: number
  readonly closedAt: number
  /** Units that were bought, or sold short, on the way. */
  readonly quantity: number
  /** Made by closing, without fees. */
  readonly made: number
  /** Of all its fills; a fill that turns a position counts by its parts. */
  readonly fees: number
}

interface Open {
  readonly side: Side
  readonly openedAt: number
  held: number
  quantity: number
  made: number
  fees: number
}

/** Puts the fills of each symbol together to round trips. */
export class Trips {
  readonly #open = new Map<string, Open>()

  /** Takes a fill and what it made by closing; returns the trip that ends with it. */
  add({ symbol, side, quantity, fee, timestamp }: Fill, made: number): RoundTrip | undefined {
    const open = this.#open.get(symbol)
    if (!open || open.side === side) {
      this.#opens(symbol, side, quantity, fee, timestamp)
      return undefined
    }
    const closed = Math.min(open.held, quantity)
    const beyond = tidy(quantity - closed)
    const share = closed / quantity
    open.held = tidy(open.held - closed)
    open.made += made
    open.fees += fee * share
    if (open.held > 0) return undefined
    this.#open.delete(symbol)
    if (beyond > 0) this.#opens(symbol, side, beyond, fee * (1 - share), timestamp)
    const { openedAt, fees } = open
    const way = open.side === 'buy' ? ('long' as const) : ('short' as const)
    const sums = { quantity: open.quantity, made: open.made, fees }
    return { symbol, side: way, openedAt, closedAt: timestamp, ...sums }
  }

  #opens(symbol: string, side: Side, quantity: number, fee: number, at: number): void {
    const fresh: Open = { side, openedAt: at, held: 0, quantity: 0, made: 0, fees: 0 }
    const open = this.#open.get(symbol) ?? fresh
    open.held = tidy(open.held + quantity)
    open.quantity = tidy(open.quantity + quantity)
    open.fees += fee
    this.#open.set(symbol, open)
  }
}
