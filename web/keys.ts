import { items } from './list.ts'
import { nextTheme, SCHEMES, scheme, setScheme } from './settings.ts'
import {
  dialog,
  focus,
  health,
  nextZone,
  remove,
  setInterval,
  show,
  steer,
  togglePanel,
  toggleStudy,
} from './state.ts'
import { STUDIES } from './view.ts'
import { INTERVALS } from './wire.ts'

/** What keys do, as `?` shows it. */
export const KEYS = [
  ['↑ ↓ or k j', 'the symbol above, below'],
  ['1 … 7', `bars of ${INTERVALS.join(', ')}`],
  ['E V B R M', 'EMA, VWAP, Bollinger bands, RSI, MACD'],
  ['L', 'the chart goes to now'],
  ['/ or Ctrl K', 'find a symbol, add it; lists, layouts, commands'],
  ['Delete', 'take the symbol off the list'],
  ['X', 'the book keeps the best prices in the middle, or stands still'],
  ['D', 'depth chart'],
  ['I', 'what the venue sent, beside what it was taken to say'],
  ['Space', 'pauses a replay, or goes on'],
  ['S', 'say how things stand'],
  ['Z', 'times in UTC, of this machine, of the exchange'],
  ['T', 'dark or light'],
  ['C', 'colours of up and down'],
  ['?', 'this'],
  ['Esc', 'closes what is open'],
] as const

/** What panels do by themselves when a key asks for it. */
export const asked = new EventTarget()
export const ask = (what: 'live' | 'centre' | 'say') => void asked.dispatchEvent(new Event(what))

/** Keys that do one thing. */
const SINGLE: Readonly<Record<string, () => void>> = {
  arrowdown: () => step(1),
  j: () => step(1),
  arrowup: () => step(-1),
  k: () => step(-1),
  delete: () => remove(focus.value),
  '/': () => void (dialog.value = 'palette'),
  '?': () => void (dialog.value = 'help'),
  t: nextTheme,
  c: () => setScheme(SCHEMES[(SCHEMES.indexOf(scheme.value) + 1) % SCHEMES.length]!),
  z: nextZone,
  l: () => ask('live'),
  x: () => ask('centre'),
  s: () => ask('say'),
  d: () => togglePanel('depth'),
  i: () => void (dialog.value = 'inspector'),
  ' ': () => {
    const state = health.value?.replay?.state
    if (state) steer({ isPaused: state !== 'paused' })
  },
  ...Object.fromEntries(INTERVALS.map((name, i) => [`${i + 1}`, () => setInterval(name)])),
  ...Object.fromEntries(STUDIES.map(name => [name[0]!, () => toggleStudy(name)])),
}

export function listenToKeys(): void {
  addEventListener('keydown', event => {
    const { key, target } = event
    if (key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      dialog.value = 'palette'
      return
    }
    const isTyping = target instanceof HTMLInputElement || target instanceof HTMLSelectElement
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return
    if (dialog.value !== 'none') return
    // A button is pressed by the space bar.
    if (key === ' ' && target instanceof HTMLButtonElement) return
    const act = SINGLE[key.toLowerCase()]
    if (!act) return
    event.preventDefault()
    act()
  })
}

/** In the order that is on show. */
function step(by: number): void {
  const list = items.value.flatMap(({ kind, name }) => (kind === 'symbol' ? [name] : []))
  const next = list[list.indexOf(focus.value) + by]
  if (next !== undefined) show(next)
}
