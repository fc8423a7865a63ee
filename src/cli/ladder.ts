import type { OrderBookView } from '../derive/order-book.ts'
import { age } from './board.ts'
import { cutLine, paint } from './rows.ts'

export interface LadderView {
  readonly colors: boolean
  readonly width: number
  readonly height: number
  /** Levels of a side, at most; fewer on a low terminal. */
  readonly depth: number
  /** Epoch ms, for the age. */
  readonly now: number
  /** What the data is, where it is not live: said above all. */
  readonly banner: string | undefined
  /** What stands for the source: `Simulated market`. */
  readonly title: string
  /** The latest word of the engine, at the foot. */
  readonly foot: string
}

/** A side needs as much for its price and size; what is left goes to the bar, and where there is much to the total. */
const BAR = { least: 6, most: 24 } as const
const TOTALS_FROM = 100
const BETWEEN = ' │ '

/**
 * An order book as lines of fixed width: bids left, asks right, the best on top, sizes as bars towards the edges. Knows
 * nothing of terminals.
 */
export function renderLadder(book: OrderBookView, view: LadderView): string[] {
  const { alarm, bold, dim } = paint(view.colors)
  const { receivedAt } = book
  const old = receivedAt === undefined ? [] : [`${age(view.now - receivedAt)} old`]
  const levels = `${book.bidCount} bids, ${book.askCount} asks`
  const title = [book.symbol, view.title, levels, ...old, 'Ctrl-C ends'].join(' · ')
  const head = [
    ...(view.banner ? [alarm(` ${view.banner} `)] : []),
    bold(title),
    book.unsynced ? alarm(` UNSYNCED: ${book.unsynced.message} `) : figures(book),
  ]
  // Heading, foot, and the line the cursor waits on.
  const room = Math.max(1, view.height - head.length - 3)
  const rows = ladder(book, Math.min(view.depth, room), view)
  const lines = [...head, dim(rows[0]!), ...rows.slice(1), dim(view.foot)]
  return lines.map(line => cutLine(line, view.width)).slice(0, Math.max(1, view.height - 1))
}

/** The heading, then the levels. */
function ladder(book: OrderBookView, depth: number, { width, colors }: LadderView): string[] {
  const { up, down } = paint(colors)
  const [bids, asks] = [book.cumulative('bids', depth), book.cumulative('asks', depth)]
  const all = [...bids, ...asks]
  const decimals = Math.min(10, Math.max(2, ...all.map(([price]) => decimalsOf(price))))
  const priced = (price: number) => price.toFixed(decimals)
  const parts = Math.min(6, Math.max(0, ...all.map(([, size]) => decimalsOf(size))))
  const sized = (size: number) =>
    size.toLocaleString('en-US', { minimumFractionDigits: parts, maximumFractionDigits: parts })
  const [prices, sizes, totals] = [
    Math.max(9, ...all.map(([price]) => priced(price).length)),
    Math.max(8, ...all.map(([, size]) => sized(size).length)),
    Math.max(8, ...all.map(([, , total]) => sized(total).length)),
  ]
  const half = Math.floor((width - BETWEEN.length) / 2)
  const withTotals = width >= TOTALS_FROM
  const used = prices + 2 + sizes + (withTotals ? totals + 2 : 0)
  const bar = Math.max(0, Math.min(BAR.most, half - used - 2))
  const bars = bar >= BAR.least ? bar : 0
  const most = Math.max(...all.map(([, size]) => size))
  const texts = (level: (typeof bids)[number] | undefined) => {
    if (!level) return { price: '', size: '', total: '', bar: '' }
    const [price, size, total] = level
    const filled = Math.max(1, Math.round((size / most) * bars))
    return {
      ...{ price: priced(price), size: sized(size), total: sized(total) },
      bar: bars > 0 ? '█'.repeat(filled) : '',
    }
  }
  const line = (left: Texts, right: Texts, colored: boolean) => {
    const [bid, ask, leftBar, rightBar] = [
      left.price.padStart(prices),
      right.price.padStart(prices),
      left.bar.padStart(bars),
      right.bar.padEnd(bars),
    ]
    const total = (text: string) => (withTotals ? [text.padStart(totals)] : [])
    const cells = [
      ...(bars > 0 ? [colored ? up(leftBar) : leftBar] : []),
      ...total(left.total),
      left.size.padStart(sizes),
      colored ? up(bid) : bid,
    ]
    const others = [
      colored ? down(ask) : ask,
      right.size.padStart(sizes),
      ...total(right.total),
      ...(bars > 0 ? [colored ? down(rightBar) : rightBar] : []),
    ]
    return `${cells.join('  ')}${BETWEEN}${others.join('  ')}`.trimEnd()
  }
  const heading = line(
    { price: 'BID', size: 'SIZE', total: 'TOTAL', bar: '' },
    { price: 'ASK', size: 'SIZE', total: 'TOTAL', bar: '' },
    false,
  )
  const count = book.synced ? Math.max(1, bids.length, asks.length) : depth
  const rows = Array.from({ length: count }, (_, i) => line(texts(bids[i]), texts(asks[i]), true))
  return [heading, ...rows]
}

interface Texts {
  readonly price: string
  readonly size: string
  readonly total: string
  readonly bar: string
}

/** Levels on which the imbalance is told. */
const IMBALANCE_DEPTH = 10

function figures(book: OrderBookView): string {
  const { spread, mid, microprice } = book
  const imbalance = book.imbalance(IMBALANCE_DEPTH)
  const parts: string[] = []
  if (spread !== undefined && mid !== undefined && microprice !== undefined) {
    const decimals = Math.max(2, decimalsOf(book.bestBid![0]), decimalsOf(book.bestAsk![0]))
    // A price of 0 has no hundredths of a percent.
    const points = mid > 0 ? ` (${((spread / mid) * 1e4).toFixed(2)} bp)` : ''
    parts.push(`spread ${spread.toFixed(decimals)}${points}`)
    parts.push(`mid ${mid.toFixed(decimals + 1)}`, `micro ${microprice.toFixed(decimals + 1)}`)
  } else parts.push('one side only')
  if (imbalance !== undefined) {
    const percent = Math.round(imbalance * 100)
    parts.push(`imbalance ${percent > 0 ? '+' : ''}${percent} %`)
  }
  return parts.join('   ')
}

function decimalsOf(price: number): number {
  const text = String(price)
  const point = text.indexOf('.')
  return point < 0 || text.includes('e') ? 0 : text.length - point - 1
}
