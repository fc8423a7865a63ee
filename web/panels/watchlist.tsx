import { signal } from '@preact/signals'
import { Fragment } from 'preact'
import { useRef } from 'preact/hooks'
import { age, amount, price, signed } from '../format.ts'
import { lists } from '../settings.ts'
import {
  dialog,
  focus,
  groups,
  isReady,
  now,
  remove,
  rowOf,
  setGroups,
  show,
  status,
  tab,
  watch,
} from '../state.ts'
import { viewOf } from '../view.ts'
import type { Row } from '../wire.ts'
import { Nature } from './top-bar.tsx'

type Column = 'symbol' | 'last' | 'change' | 'percent' | 'bid' | 'ask' | 'spread' | 'volume' | 'age'

const COLUMNS: readonly (readonly [Column, string, string?])[] = [
  ['symbol', 'Symbol'],
  ['last', 'Last'],
  ['change', 'Change', 'wider'],
  ['percent', '%'],
  ['bid', 'Bid', 'wide'],
  ['ask', 'Ask', 'wide'],
  ['spread', 'Spread', 'wider'],
  ['volume', 'Volume', 'wide'],
]

/** Of a row that nothing is known of yet, the last. */
const NOTHING = Number.NEGATIVE_INFINITY
const VALUES: Readonly<Record<Column, (row: Row) => number | string>> = {
  symbol: row => row.symbol,
  last: row => row.last ?? NOTHING,
  change: row => row.change ?? NOTHING,
  percent: row => row.percent ?? NOTHING,
  bid: row => row.bid ?? NOTHING,
  ask: row => row.ask ?? NOTHING,
  spread: row => spreadOf(row) ?? NOTHING,
  volume: row => row.volume ?? NOTHING,
  age: row => row.at ?? NOTHING,
}

const order = signal<{ readonly by: Column; readonly isDown: boolean } | undefined>(undefined)
/** While the pointer is on the list nothing moves away under it. */
const frozen = signal<readonly string[] | undefined>(undefined)

export function Watchlist() {
  const symbols = frozen.value?.filter(it => watch.value.includes(it)) ?? sorted()
  // What was added while the list stands still comes last.
  const all = [...symbols, ...watch.value.filter(it => !symbols.includes(it))]
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
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
        tabIndex={0}
        onPointerEnter={() => void (frozen.value = sorted())}
        onPointerLeave={() => void (frozen.value = undefined)}
      >
        <table>
          <thead>
            <tr>
              {COLUMNS.map(([name, title, extra]) => (
                <Heading name={name} title={title} extra={extra} />
              ))}
              <th class="trend">Hour</th>
              <Heading name="age" title="Age" extra={undefined} />
              <th class="wide">
                <span class="hidden">Remove</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {groups.value.map(({ name, symbols }) => (
              <Fragment key={`~${name}`}>
                {name !== '' && (
                  <tr class="heading">
                    <th colSpan={11} scope="rowgroup">
                      {name}
                    </th>
                  </tr>
                )}
                {all
                  .filter(symbol => symbols.includes(symbol))
                  .map(symbol => (
                    <Line key={symbol} symbol={symbol} />
                  ))}
              </Fragment>
            ))}
          </tbody>
        </table>
        {all.length === 0 && isReady.value && (
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

function Heading({
  name,
  title,
  extra,
}: {
  name: Column
  title: string
  extra: string | undefined
}) {
  const { by, isDown } = order.value ?? {}
  const isOwn = by === name
  return (
    <th
      class={extra}
      data-column={name}
      aria-sort={isOwn ? (isDown ? 'descending' : 'ascending') : undefined}
    >
      <button type="button" onClick={() => sortBy(name)}>
        {title}
        {isOwn && <i aria-hidden="true">{isDown ? ' ↓' : ' ↑'}</i>}
      </button>
    </th>
  )
}

/** Largest first, then smallest first, then as it was. */
function sortBy(name: Column): void {
  const before = order.value
  const isFirstDown = name !== 'symbol'
  if (before?.by !== name) order.value = { by: name, isDown: isFirstDown }
  else order.value = before.isDown === isFirstDown ? { by: name, isDown: !isFirstDown } : undefined
  frozen.value = frozen.value && sorted()
}

function sorted(): readonly string[] {
  if (!order.value) return watch.value
  const { by, isDown } = order.value
  const value = VALUES[by]
  const keys = new Map(
    watch.value.map(symbol => {
      const row = rowOf(symbol).value
      return [symbol, row ? value(row) : NOTHING] as const
    }),
  )
  const sign = isDown ? -1 : 1
  return [...watch.value].sort((a, b) => {
    const [x, y] = [keys.get(a)!, keys.get(b)!]
    return x === y ? 0 : (x < y ? -1 : 1) * sign
  })
}

const spreadOf = ({ bid, ask }: Row) =>
  bid === undefined || ask === undefined ? undefined : Math.max(0, ask - bid)

function Line({ symbol }: { symbol: string }) {
  const row = rowOf(symbol).value
  const isChosen = focus.value === symbol
  const choose = () => {
    show(symbol)
    if (tab.value === 'watch' && innerWidth < 760) tab.value = 'chart'
  }
  if (!row) {
    return (
      <tr data-row={symbol} aria-selected={isChosen} onClick={choose}>
        <th scope="row">{symbol}</th>
        <td colSpan={10} />
      </tr>
    )
  }
  const { digits, change = 0 } = row
  const sign = change > 0 ? 'up' : change < 0 ? 'down' : ''
  const since = row.base === 'close' ? 'since the close before' : 'since this day’s first price'
  return (
    <tr data-row={symbol} data-state={row.state} aria-selected={isChosen} onClick={choose}>
      <th scope="row">
        <button type="button" aria-current={isChosen ? 'true' : undefined}>
          {symbol}
        </button>
      </th>
      {row.state === 'refused' ? (
        <td class="why" colSpan={8} title={row.note}>
          {row.note}
        </td>
      ) : (
        <>
          <Price value={row.last} digits={digits} tick={row.tick} />
          <td class={`wider ${sign}`} title={since}>
            {signed(row.change, digits)}
          </td>
          <td class={sign} title={since}>
            {signed(row.percent, 2)}
          </td>
          <td class="wide soft">{price(row.bid, digits)}</td>
          <td class="wide soft">{price(row.ask, digits)}</td>
          <td class="wider soft">{price(spreadOf(row), digits)}</td>
          <td class="wide">{amount(row.volume)}</td>
          <td class="trend">
            <Spark values={row.spark} sign={sign} />
          </td>
        </>
      )}
      <Age row={row} />
      <td class="wide">
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
    </tr>
  )
}

const FLASH_MS = 1_000

/** Flashes at most once a second; glyph and sign say the same as the colour. */
function Price({
  value,
  digits,
  tick,
}: {
  value: number | undefined
  digits: number
  tick: number
}) {
  const shown = useRef({ value, at: 0, turn: 0 })
  const { current } = shown
  if (current.value !== value) {
    const at = performance.now()
    const isFirst = current.value === undefined
    current.value = value
    if (!isFirst && at - current.at >= FLASH_MS) {
      current.at = at
      current.turn++
    }
  }
  const word = tick > 0 ? 'up' : tick < 0 ? 'down' : ''
  const flash = current.turn > 0 && word ? `flash-${word}-${current.turn % 2}` : ''
  return (
    <td class={`last ${flash}`}>
      <span class={word} aria-hidden="true">
        {tick > 0 ? '▲' : tick < 0 ? '▼' : ' '}
      </span>
      {price(value, digits)}
    </td>
  )
}

function Age({ row }: { row: Row }) {
  const ms = row.at === undefined ? undefined : now.value - row.at
  const isOdd = row.state !== 'live' && row.state !== 'loading'
  const word =
    row.state === 'stale' || row.state === 'quiet' || row.state === 'offline'
      ? `${row.state} ${age(ms)}`
      : row.state === 'gap' || row.state === 'refused'
        ? row.state
        : age(ms)
  return (
    <td class="age" title={row.note}>
      {isOdd ? <b>{word}</b> : word}
    </td>
  )
}

const WIDTH = 64
const HEIGHT = 18

function Spark({ values, sign }: { values: readonly number[]; sign: string }) {
  if (values.length < 2) return null
  const low = Math.min(...values)
  const span = Math.max(...values) - low || 1
  const step = WIDTH / (values.length - 1)
  const points = values.map(
    (value, i) =>
      `${(i * step).toFixed(1)},${(HEIGHT - 1 - ((value - low) / span) * (HEIGHT - 2)).toFixed(1)}`,
  )
  return (
    <svg class={`spark ${sign}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <polyline points={points.join(' ')} />
    </svg>
  )
}
