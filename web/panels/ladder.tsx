import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { amount, price } from '../format.ts'
import { asked } from '../keys.ts'
import { focus, ladder, rowOf } from '../state.ts'
import { Nature } from './top-bar.tsx'

/** Lines of a side that are shown. */
const SHOWN = 9
/** Prices that are added up to one line, in steps of the price. */
const GROUPS = [1, 5, 10, 50, 100, 1_000] as const

const group = signal<number>(1)
/** The price in the middle, in grouped steps, while the ladder stands still; none while the best prices are. */
const middle = signal<number | undefined>(undefined)

type Level = readonly [price: number, size: number]
/** In grouped steps, its size, and the sum from the best price to there. */
type Line = readonly [index: number, size: number, total: number]

export function LadderPanel() {
  const book = ladder.value?.symbol === focus.value ? ladder.value : undefined
  const row = focus.value ? rowOf(focus.value).value : undefined
  const digits = row?.digits ?? 2
  const step = group.value * 10 ** -digits
  const unsynced = book ? book.unsynced : 'waiting for the book'
  const isStill = middle.value !== undefined
  const turn = () => {
    const { bids: [bid] = [], asks: [ask] = [] } = ladder.peek() ?? {}
    const best = bid && ask ? (bid[0] + ask[0]) / 2 : (bid ?? ask)?.[0]
    middle.value = isStill || best === undefined ? undefined : Math.round(best / step)
  }
  useEffect(() => {
    asked.addEventListener('centre', turn)
    return () => asked.removeEventListener('centre', turn)
  })
  // Another symbol or step is another ladder.
  useEffect(() => void (middle.value = undefined), [focus.value, group.value])
  return (
    <section class="panel ladder" aria-label="Order book">
      <div class="head">
        <h2>Book</h2>
        <Nature />
        <button
          type="button"
          class="lock"
          aria-pressed={!isStill}
          title="Key X: the best prices stay in the middle, or the prices stand still"
          onClick={turn}
        >
          centre
        </button>
        <label>
          <span class="hidden">Prices in a line</span>
          <select
            title="Prices that are added up to one line, in steps of the price"
            value={group.value}
            onChange={event => void (group.value = Number(event.currentTarget.value))}
          >
            {GROUPS.map(count => (
              <option value={count}>{count}×</option>
            ))}
          </select>
        </label>
      </div>
      {unsynced === undefined ? (
        <Levels bids={book!.bids} asks={book!.asks} digits={digits} last={row?.last} step={step} />
      ) : (
        <p class="veil">
          <b>unsynced</b>
          {unsynced}
        </p>
      )}
    </section>
  )
}

interface LevelsProps {
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
  readonly digits: number
  readonly last: number | undefined
  readonly step: number
}

function Levels({ bids, asks, digits, last, step }: LevelsProps) {
  const below = grouped(bids, step, Math.floor)
  const above = grouped(asks, step, Math.ceil)
  const rows =
    middle.value === undefined ? centred(below, above) : still(below, above, middle.value)
  const most = Math.max(
    ...rows.map(it => (it && it !== 'middle' && it.line?.[2]) || 0),
    Number.MIN_VALUE,
  )
  const isLast = (index: number) =>
    last !== undefined && Math.abs(index * step - last) < step / 2 + 1e-9
  return (
    <table
      onWheel={event => {
        if (middle.value !== undefined) middle.value -= Math.sign(event.deltaY)
      }}
    >
      <thead>
        <tr>
          <th>Size</th>
          <th>Price</th>
          <th>Total</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row, i) => {
          if (row === 'middle') return <Middle key="middle" {...{ bids, asks, digits }} />
          if (!row) {
            return (
              <tr class="pad" key={i}>
                <td colSpan={3}>&nbsp;</td>
              </tr>
            )
          }
          const { side, index, line } = row
          return (
            <tr class={side} key={i}>
              <td
                class="size"
                style={{ backgroundSize: `${(((line?.[2] ?? 0) / most) * 100).toFixed(1)}% 18px` }}
              >
                {line ? amount(line[1]) : ''}
              </td>
              <td class={side === 'bid' ? 'up' : side === 'ask' ? 'down' : 'soft'}>
                {price(index * step, digits)}
                {isLast(index) && <b title="last trade"> ◂</b>}
              </td>
              <td class="soft">{line ? amount(line[2]) : ''}</td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}

function Middle({ bids, asks, digits }: Pick<LevelsProps, 'bids' | 'asks' | 'digits'>) {
  const [bid] = bids[0] ?? []
  const [ask] = asks[0] ?? []
  return (
    <tr class="middle">
      <td colSpan={3}>
        {bid !== undefined && ask !== undefined
          ? `spread ${price(Math.max(0, ask - bid), digits)} · mid ${price((bid + ask) / 2, digits + 1)}`
          : 'one side is empty'}
      </td>
    </tr>
  )
}

type LadderRow =
  | {
      readonly side: 'bid' | 'ask' | 'none'
      readonly index: number
      readonly line?: Line | undefined
    }
  | 'middle'
  | undefined

/** The best of each side around the spread. */
function centred(below: readonly Line[], above: readonly Line[]): LadderRow[] {
  const side = (lines: readonly Line[], name: 'bid' | 'ask') =>
    Array.from({ length: SHOWN }, (_, i): LadderRow => {
      const line = lines[i]
      return line && { side: name, index: line[0], line }
    })
  return [...side(above, 'ask').reverse(), 'middle', ...side(below, 'bid')]
}

/** A price a line, those without orders too; the spread stays on top, for it may be out of sight. */
function still(below: readonly Line[], above: readonly Line[], around: number): LadderRow[] {
  const bids = new Map(below.map(line => [line[0], line]))
  const asks = new Map(above.map(line => [line[0], line]))
  const rows = Array.from({ length: 2 * SHOWN }, (_, i): LadderRow => {
    const index = around + SHOWN - i
    const bid = bids.get(index)
    if (bid) return { side: 'bid', index, line: bid }
    const ask = asks.get(index)
    return ask ? { side: 'ask', index, line: ask } : { side: 'none', index }
  })
  return ['middle', ...rows]
}

/** Price, size, and the sum from the best price to there. */
function grouped(
  levels: readonly Level[],
  step: number,
  round: (value: number) => number,
): readonly Line[] {
  const sums = new Map<number, number>()
  for (const [at, size] of levels) {
    // What is on a step must not slip to the next by a last binary digit.
    const steps = at / step
    const near = Math.round(steps)
    const index = Math.abs(steps - near) < 1e-6 ? near : round(steps)
    sums.set(index, (sums.get(index) ?? 0) + size)
  }
  let total = 0
  return [...sums].map(([index, size]) => [index, size, (total += size)] as const)
}
