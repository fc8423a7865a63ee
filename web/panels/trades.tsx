import { signal } from '@preact/signals'
import { useMemo, useRef } from 'preact/hooks'
import { amount, clock, placeOf, price } from '../format.ts'
import { focus, prints, room, rowOf, zone } from '../state.ts'
import type { Print, Prints } from '../wire.ts'
import { Nature } from './top-bar.tsx'
import { type Sight, useSight } from './window.ts'

/** Rows above and below those in sight, for whoever scrolls. */
const SPARE = 6
/** Of what is told between trades, pixels: two lines; where it is longer, the pointer on it has all of it. */
const NOTE_HEIGHT = 38
const SIZES = [0, 10, 100, 1_000, 10_000] as const
/** So many times the usual size is large. */
const LARGE = 8

const least = signal<number>(0)

export function Trades() {
  const held = useRef<Prints | undefined>(undefined)
  const isHeld = useRef(signal(false)).current
  const { box, sight, onScroll } = useSight()
  const live = prints.value?.symbol === focus.value ? prints.value : undefined
  if (!isHeld.value || held.current?.symbol !== live?.symbol) held.current = live
  const { list = [], count = 0 } = held.current ?? {}
  const newer = (live?.count ?? 0) - count
  const all = list.filter(print => print.kind === 'note' || print.size >= least.value)
  const { above, shown, below } = partOf(all, room.value === 'narrow' ? 26 : 20, sight.value)
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
        onScroll={event => {
          isHeld.value = event.currentTarget.scrollTop > 4
          onScroll()
        }}
      >
        <table aria-rowcount={all.length + 1}>
          <thead>
            <tr>
              <th class="time">Time {placeOf(zone.value)}</th>
              <th>Price</th>
              <th class="size">Size</th>
              <th class="place">At</th>
            </tr>
          </thead>
          <tbody>
            <Room key="above" height={above} />
            {shown.map(print => (
              <PrintLine
                key={print.key}
                print={print}
                digits={digits}
                isLarge={print.kind === 'trade' && print.size >= large}
              />
            ))}
            <Room key="below" height={below} />
          </tbody>
        </table>
        {all.length === 0 && (
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

/** Stands for rows that are out of sight. */
function Room({ height }: { height: number }) {
  if (height === 0) return null
  return (
    <tr class="room">
      <td style={{ height: `${height}px` }} />
    </tr>
  )
}

interface LineProps {
  readonly print: Print
  readonly digits: number
  readonly isLarge: boolean
}

/** What has been printed stays as it is: new ones above it are no reason to make it anew. */
function PrintLine({ print, digits, isLarge }: LineProps) {
  const where = zone.value
  return useMemo(() => lineOf(print, digits, isLarge, where), [print, digits, isLarge, where])
}

function lineOf(print: Print, digits: number, isLarge: boolean, where: string) {
  if (print.kind === 'note') {
    return (
      <tr class={print.isGap ? 'note gap' : 'note'}>
        <td colSpan={4} title={print.text}>
          <p>
            {clock(print.at, where)} {print.text}
          </p>
        </td>
      </tr>
    )
  }
  const { at, size, exchange, tick, isRepaired } = print
  const word = tick > 0 ? 'up' : tick < 0 ? 'down' : ''
  return (
    <tr class={isLarge ? 'large' : ''}>
      <td class="soft">{clock(at, where, true)}</td>
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

/** What of the prints is in sight, and the room of those above and below, pixels. */
function partOf(all: readonly Print[], tradeHeight: number, { top, height }: Sight) {
  const heightOf = ({ kind }: Print) => (kind === 'note' ? NOTE_HEIGHT : tradeHeight)
  const spare = SPARE * tradeHeight
  let [from, above] = [0, 0]
  while (from < all.length && above + heightOf(all[from]!) <= top - spare)
    above += heightOf(all[from++]!)
  let [to, end] = [from, above]
  while (to < all.length && end < top + height + spare) end += heightOf(all[to++]!)
  const below = all.slice(to).reduce((sum, print) => sum + heightOf(print), 0)
  return { above, shown: all.slice(from, to), below }
}

function usualSize(list: readonly Print[]): number {
  const sizes = list.flatMap(print => (print.kind === 'trade' ? [print.size] : []))
  if (sizes.length < 10) return Number.POSITIVE_INFINITY
  return sizes.sort((a, b) => a - b)[Math.floor(sizes.length / 2)]!
}
