import { effect, useComputed } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { Flash } from '../flash.ts'
import { age, amount, price, signed } from '../format.ts'
import { type Column, freeze, items, order, sortBy, spreadOf } from '../list.ts'
import { lists } from '../settings.ts'
import {
  dialog,
  focus,
  isReady,
  now,
  remove,
  room,
  rowOf,
  see,
  setGroups,
  show,
  status,
  tab,
  watch,
} from '../state.ts'
import { viewOf } from '../view.ts'
import type { Row } from '../wire.ts'
import { Spark } from './spark.tsx'
import { Nature } from './top-bar.tsx'
import { type Width, widths } from './widths.ts'
import { useSight } from './window.ts'

/** Rows above and below those in sight, for whoever scrolls. */
const SPARE = 4

interface Shape {
  readonly name: Column | 'trend' | 'remove'
  readonly title: string
  /** On which screens it is shown. */
  readonly on: 'all' | 'medium' | 'wide'
  readonly width: Width
}

const SHAPES: readonly Shape[] = [
  { name: 'symbol', title: 'Symbol', on: 'all', width: 'symbol' },
  { name: 'last', title: 'Last', on: 'all', width: 'last' },
  { name: 'change', title: 'Change', on: 'wide', width: 'change' },
  { name: 'percent', title: '%', on: 'all', width: 'percent' },
  { name: 'bid', title: 'Bid', on: 'medium', width: 'quote' },
  { name: 'ask', title: 'Ask', on: 'medium', width: 'quote' },
  { name: 'spread', title: 'Spread', on: 'wide', width: 'spread' },
  { name: 'volume', title: 'Volume', on: 'medium', width: 'volume' },
  { name: 'trend', title: 'Hour', on: 'all', width: 'trend' },
  { name: 'age', title: 'Age', on: 'all', width: 'age' },
  { name: 'remove', title: 'Remove', on: 'medium', width: 'remove' },
]

/** What has room. */
const shapesOf = () =>
  SHAPES.filter(
    ({ on }) =>
      on === 'all' || room.value === 'wide' || (on === 'medium' && room.value === 'medium'),
  )

export function Watchlist() {
  const { box, sight, onScroll } = useSight()
  const shapes = shapesOf()
  const height = room.value === 'narrow' ? 40 : 26
  // The heading of the table takes a row, and stays where it is.
  const { top, height: seen } = sight.value
  const all = items.value
  const from = Math.max(0, Math.floor(top / height) - SPARE)
  const to = Math.min(all.length, Math.ceil((top + seen) / height) + SPARE)
  const shown = all.slice(from, to)
  const symbols = shown.flatMap(({ kind, name }) => (kind === 'symbol' ? [name] : []))
  const key = symbols.join(',')
  useEffect(() => {
    see(symbols)
    return effect(() => {
      for (const symbol of symbols) widths.fit(rowOf(symbol).value)
    })
  }, [key])
  // What is chosen by keys may be out of sight.
  const at = all.findIndex(({ name, kind }) => kind === 'symbol' && name === focus.value)
  useEffect(() => {
    const scrolled = box.current!
    const { scrollTop, clientHeight } = scrolled
    // One more than needed, to show that it goes on.
    const least = (at + 3) * height - clientHeight
    if (at >= 0) scrolled.scrollTop = Math.max(least, Math.min(scrollTop, at * height))
  }, [focus.value])
  return (
    <section class="panel watch" aria-label="Watchlist">
      <div class="head">
        <h2>Watchlist</h2>
        <Nature />
        <Kept />
        <button type="button" class="add" onClick={() => void (dialog.value = 'palette')}>
          + Add
        </button>
      </div>
      <div
        class="scroll"
        ref={box}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
        tabIndex={0}
        onScroll={onScroll}
        onPointerEnter={() => freeze(true)}
        onPointerLeave={() => freeze(false)}
      >
        <table aria-rowcount={all.length + 1} style={{ '--row': `${height}px` }}>
          <colgroup>
            {shapes.map(({ name, width }) => (
              <col key={name} style={{ width: widths.of(width) }} />
            ))}
          </colgroup>
          <thead>
            <tr aria-rowindex={1}>
              {shapes.map(shape => (
                <Heading key={shape.name} {...shape} />
              ))}
            </tr>
          </thead>
          <tbody>
            <Room key="above" rows={from} height={height} />
            {shown.map(({ kind, name }, i) =>
              kind === 'heading' ? (
                <tr class="heading" key={`~${name}`} aria-rowindex={from + i + 2}>
                  <th colSpan={shapes.length} scope="rowgroup">
                    {name}
                  </th>
                </tr>
              ) : (
                <Line key={name} symbol={name} shapes={shapes} index={from + i + 2} />
              ),
            )}
            <Room key="below" rows={all.length - to} height={height} />
          </tbody>
        </table>
        {watch.value.length === 0 && isReady.value && (
          <p class="empty">
            Nothing on the list. Press <kbd>/</kbd> to find a symbol.
          </p>
        )}
        {!isReady.value && (
          <p class="empty">{status.value.reason ?? 'Connecting to the gateway …'}</p>
        )}
      </div>
    </section>
  )
}

/** Stands for rows that are out of sight. A row without a cell would have no height. */
function Room({ rows, height }: { rows: number; height: number }) {
  if (rows === 0) return null
  return (
    <tr class="room">
      <td style={{ height: `${rows * height}px` }} />
    </tr>
  )
}

/** Lists that were given a name. */
function Kept() {
  const names = Object.keys(lists.all.value)
  if (names.length === 0) return null
  return (
    <select
      class="kept"
      aria-label="Lists"
      value=""
      onChange={event => {
        const text = lists.all.value[event.currentTarget.value]
        event.currentTarget.value = ''
        if (text !== undefined) setGroups(viewOf(text).groups ?? [])
      }}
    >
      <option value="">list …</option>
      {names.map(name => (
        <option value={name}>{name}</option>
      ))}
    </select>
  )
}

function Heading({ name, title }: Shape) {
  if (name === 'remove') {
    return (
      <th>
        <span class="hidden">{title}</span>
      </th>
    )
  }
  if (name === 'trend') return <th class="trend">{title}</th>
  const { by, isDown } = order.value ?? {}
  const isOwn = by === name
  return (
    <th data-column={name} aria-sort={isOwn ? (isDown ? 'descending' : 'ascending') : undefined}>
      <button type="button" onClick={() => sortBy(name)}>
        {title}
        {isOwn && <i aria-hidden="true">{isDown ? ' ↓' : ' ↑'}</i>}
      </button>
    </th>
  )
}

interface LineProps {
  readonly symbol: string
  readonly shapes: readonly Shape[]
  readonly index: number
}

/** What a line is made of changes seldom; its words follow by themselves. */
function Line({ symbol, shapes, index }: LineProps) {
  const row = rowOf(symbol)
  const state = useComputed(() => row.value?.state).value
  const isChosen = useComputed(() => focus.value === symbol).value
  const choose = () => {
    show(symbol)
    if (tab.value === 'watch' && room.value === 'narrow') tab.value = 'chart'
  }
  const inner = shapes.filter(({ name }) => !['symbol', 'age', 'remove'].includes(name))
  return (
    <tr
      data-row={symbol}
      data-state={state}
      aria-selected={isChosen}
      aria-rowindex={index}
      onClick={choose}
    >
      <th scope="row">
        <button type="button" aria-current={isChosen ? 'true' : undefined}>
          {symbol}
        </button>
      </th>
      {state === 'refused' ? (
        <td class="why" colSpan={inner.length} title={row.value?.note}>
          {row.value?.note}
        </td>
      ) : (
        inner.map(({ name }) =>
          name === 'last' ? (
            <Price key={name} symbol={symbol} />
          ) : name === 'trend' ? (
            <td key={name} class="trend">
              <Spark symbol={symbol} />
            </td>
          ) : (
            <Cell key={name} symbol={symbol} name={name as keyof typeof CELLS} />
          ),
        )
      )}
      <Age symbol={symbol} />
      {shapes.at(-1)!.name === 'remove' && (
        <td>
          <button
            type="button"
            class="remove"
            aria-label={`Remove ${symbol}`}
            onClick={event => {
              event.stopPropagation()
              remove(symbol)
            }}
          >
            ×
          </button>
        </td>
      )}
    </tr>
  )
}

const CELLS = {
  change: row => signed(row.change, row.digits),
  percent: row => signed(row.percent, 2),
  bid: row => price(row.bid, row.digits),
  ask: row => price(row.ask, row.digits),
  spread: row => price(spreadOf(row), row.digits),
  volume: row => amount(row.volume),
} satisfies Record<string, (row: Row) => string>

function Cell({ symbol, name }: { symbol: string; name: keyof typeof CELLS }) {
  const row = rowOf(symbol)
  const isChange = name === 'change' || name === 'percent'
  const words = useComputed(() => (row.value ? CELLS[name](row.value) : ''))
  const look = useComputed(() => {
    if (!isChange) return name === 'volume' ? name : `${name} soft`
    // What rounds to nothing has no sign, and no colour.
    const [sign] = words.value
    return sign === '+' ? `${name} up` : sign === '−' ? `${name} down` : name
  })
  const title = useComputed(() => {
    if (!isChange || !row.value) return undefined
    return row.value.base === 'close' ? 'since the close before' : 'since this day’s first price'
  })
  return (
    <td class={look} title={title}>
      {words}
    </td>
  )
}

/** Is lit at most once a second; glyph and sign say the same as the colour. */
function Price({ symbol }: { symbol: string }) {
  const row = rowOf(symbol)
  const flash = useMemo(() => new Flash(), [])
  useEffect(() => {
    let before = row.peek()?.last
    const stop = effect(() => {
      const { last, tick } = row.value ?? {}
      const isOther = before !== undefined && last !== before
      before = last
      if (isOther && tick) flash.light()
    })
    return () => {
      stop()
      flash.close()
    }
  }, [])
  const words = useComputed(() => (row.value ? price(row.value.last, row.value.digits) : ''))
  const tick = useComputed(() => row.value?.tick ?? 0)
  const way = useComputed(() => (tick.value > 0 ? 'up' : tick.value < 0 ? 'down' : ''))
  const look = useComputed(() => (flash.isLit.value ? `last flash-${way.value}` : 'last'))
  const glyph = useComputed(() => (tick.value > 0 ? '▲' : tick.value < 0 ? '▼' : ' '))
  return (
    <td class={look}>
      <span class={way} aria-hidden="true">
        {glyph}
      </span>
      {words}
    </td>
  )
}

function Age({ symbol }: { symbol: string }) {
  const row = rowOf(symbol)
  const words = useComputed(() => (row.value ? ageWords(row.value, now.value) : ''))
  const title = useComputed(() => row.value?.note)
  const isOdd = useComputed(() => !['live', 'loading', undefined].includes(row.value?.state)).value
  return (
    <td class="age" title={title}>
      {isOdd ? <b>{words}</b> : words}
    </td>
  )
}

export function ageWords({ at, state }: Row, now: number): string {
  const words = age(at === undefined ? undefined : now - at)
  if (state === 'stale' || state === 'quiet' || state === 'offline') return `${state} ${words}`
  return state === 'gap' || state === 'refused' ? state : words
}
