import { signal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { amount, clock, placeOf, price } from '../format.ts'
import { focus, prints, rowOf, zone } from '../state.ts'
import type { Print, Prints } from '../wire.ts'
import { Nature } from './top-bar.tsx'

/** Rows that are on the page at once; older ones are in the past. */
const SHOWN = 120
const SIZES = [0, 10, 100, 1_000, 10_000] as const
/** So many times the usual size is large. */
const LARGE = 8

const least = signal<number>(0)

export function Trades() {
  const held = useRef<Prints | undefined>(undefined)
  const isHeld = useRef(signal(false)).current
  const box = useRef<HTMLDivElement>(null)
  const live = prints.value?.symbol === focus.value ? prints.value : undefined
  if (!isHeld.value || held.current?.symbol !== live?.symbol) held.current = live
  const { list = [], count = 0 } = held.current ?? {}
  const newer = (live?.count ?? 0) - count
  const shown = list
    .filter(print => print.kind === 'note' || print.size >= least.value)
    .slice(0, SHOWN)
  const large = usualSize(list) * LARGE
  const digits = rowOf(focus.value).value?.digits ?? 2
  return (
    <section class="panel trades" aria-label="Time and sales">
      <div class="head">
        <h2>Trades</h2>
        <Nature />
        <label>
          size ≥{' '}
          <select
            value={least.value}
            onChange={event => void (least.value = Number(event.currentTarget.value))}
          >
            {SIZES.map(size => (
              <option value={size}>{size === 0 ? 'any' : amount(size)}</option>
            ))}
          </select>
        </label>
      </div>
      <div
        class="scroll"
        ref={box}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
        tabIndex={0}
        onScroll={event => void (isHeld.value = event.currentTarget.scrollTop > 4)}
      >
        <table>
          <thead>
            <tr>
              <th>Time {placeOf(zone.value)}</th>
              <th>Price</th>
              <th>Size</th>
              <th>At</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(print => (
              <PrintLine key={print.key} print={print} digits={digits} large={large} />
            ))}
          </tbody>
        </table>
        {shown.length === 0 && (
          <p class="empty">No trade {list.length > 0 ? 'of this size' : 'yet'}.</p>
        )}
      </div>
      {isHeld.value && newer > 0 && (
        <button
          type="button"
          class="live"
          onClick={() => {
            isHeld.value = false
            box.current?.scrollTo({ top: 0 })
          }}
        >
          {newer} newer ↑
        </button>
      )}
    </section>
  )
}

interface LineProps {
  readonly print: Print
  readonly digits: number
  readonly large: number
}

function PrintLine({ print, digits, large }: LineProps) {
  if (print.kind === 'note') {
    return (
      <tr class={print.isGap ? 'note gap' : 'note'}>
        <td colSpan={4}>
          {clock(print.at, zone.value)} {print.text}
        </td>
      </tr>
    )
  }
  const { at, size, exchange, tick, isRepaired } = print
  const word = tick > 0 ? 'up' : tick < 0 ? 'down' : ''
  return (
    <tr class={size >= large ? 'large' : ''}>
      <td class="soft">{clock(at, zone.value, true)}</td>
      <td class={word}>
        <i aria-hidden="true">{tick > 0 ? '▲' : tick < 0 ? '▼' : ''}</i>{' '}
        {price(print.price, digits)}
      </td>
      <td>{amount(size)}</td>
      <td class="soft" title={isRepaired ? 'filled in from history' : undefined}>
        {isRepaired ? 'repaired' : (exchange ?? '')}
      </td>
    </tr>
  )
}

function usualSize(list: readonly Print[]): number {
  const sizes = list.flatMap(print => (print.kind === 'trade' ? [print.size] : []))
  if (sizes.length < 10) return Number.POSITIVE_INFINITY
  return sizes.sort((a, b) => a - b)[Math.floor(sizes.length / 2)]!
}
