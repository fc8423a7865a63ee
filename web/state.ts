import { batch, computed, type Signal, signal } from '@preact/signals'
import {
  type Group,
  type PanelName,
  queryOf,
  type Study,
  viewOf,
  withoutSymbol,
  withSymbol,
  ZONES,
} from './view.ts'
import type {
  ChartInterval,
  ChartPatch,
  Found,
  Health,
  Inspected,
  Ladder,
  Prints,
  ReplayOrder,
  Row,
  Spark,
  Status,
  ToPage,
  ToWorker,
} from './wire.ts'

/*
 * What the page shows, and how it comes here: once a frame, at most every 100 ms, the worker is asked what has changed.
 * A hidden page has no frames, and asks for nothing.
 */

const FRAME_MS = 100
/** As many as the worker keeps. */
const KEPT_PRINTS = 300

export const status = signal<Status>({
  ...{ state: 'connecting', needsKey: false, sources: [], hasBooks: false, offsetMs: 0 },
})
export const prints = signal<Prints | undefined>(undefined)
export const ladder = signal<Ladder | undefined>(undefined)
export const health = signal<Health | undefined>(undefined)
/** The gateway's clock, whole seconds, epoch ms. */
export const now = signal(Date.now())
export const isReady = signal(false)

const rows = new Map<string, Signal<Row | undefined>>()

export function rowOf(symbol: string): Signal<Row | undefined> {
  let row = rows.get(symbol)
  if (!row) {
    row = signal<Row | undefined>(undefined)
    rows.set(symbol, row)
  }
  return row
}

const sparks = new Map<string, Signal<Spark | undefined>>()

export function sparkOf(symbol: string): Signal<Spark | undefined> {
  let spark = sparks.get(symbol)
  if (!spark) {
    spark = signal<Spark | undefined>(undefined)
    sparks.set(symbol, spark)
  }
  return spark
}

const first = viewOf(location.search)
/** The list, under its headings. */
export const groups = signal<readonly Group[]>(first.groups ?? [])
export const watch = computed(() => groups.value.flatMap(({ symbols }) => symbols))
export const interval = signal(first.interval)
export const studies = signal(first.studies)
export const zoneChoice = signal(first.zone)
export const panels = signal(first.panels)
const chosen = signal(first.symbol)
/** The symbol of chart, book and trades. */
export const focus = computed(() =>
  watch.value.includes(chosen.value) ? chosen.value : (watch.value[0] ?? ''),
)
/** In which times are told: a zone of IANA's. */
export const zone = computed(() => {
  if (zoneChoice.value === 'local') return Intl.DateTimeFormat().resolvedOptions().timeZone
  // Where an exchange's zone is not known, UTC is no lie.
  const { zone: exchange = 'UTC' } = (focus.value && rowOf(focus.value).value) || {}
  return zoneChoice.value === 'exchange' ? exchange : 'UTC'
})

const narrow = matchMedia('(max-width: 759px)')
const medium = matchMedia('(max-width: 1560px)')
const roomNow = () => (narrow.matches ? 'narrow' : medium.matches ? 'medium' : 'wide')
/** What the screen has room for: a phone, most screens, a wide one. As the stylesheet has it. */
export const room = signal<'narrow' | 'medium' | 'wide'>(roomNow())
for (const query of [narrow, medium]) {
  query.addEventListener('change', () => void (room.value = roomNow()))
}

/** Of a phone: what is on show. */
export const tab = signal<'watch' | 'chart' | 'trades' | 'book' | 'health'>('watch')
export const dialog = signal<'none' | 'help' | 'palette' | 'inspector'>('none')

const worker = new Worker(new URL('./worker/worker.ts', import.meta.url), { type: 'module' })
const tell = (message: ToWorker) => worker.postMessage(message)

type ChartListener = (patch: ChartPatch) => void
let chartListener: ChartListener | undefined
let isAwaiting = false
let askedAt = 0
let received: ToPage | undefined
let ticket = 0
let inspected: ((answer: Inspected) => void) | undefined
const searches = new Map<number, (found: Found) => void>()

const painters = new Set<(at: number) => void>()

/** Called in each frame, after what has changed is there: the page has no other loop. */
export function onFrame(paint: (at: number) => void): void {
  painters.add(paint)
}

/** The chart paints by itself. */
export function onChart(listener: ChartListener): void {
  chartListener = listener
}

export function start(): void {
  worker.addEventListener('message', ({ data }: MessageEvent<ToPage>) => {
    if (data.type === 'patch') received = data
    else if (data.type === 'inspected') {
      inspected?.(data)
      inspected = undefined
    } else {
      searches.get(data.ticket)?.(data)
      searches.delete(data.ticket)
    }
  })
  tell({ type: 'open', watch: first.groups && watch.value })
  document.addEventListener('visibilitychange', () =>
    tell({ type: 'hidden', isHidden: document.hidden }),
  )
  requestAnimationFrame(frame)
}

/** The one loop of the page. */
function frame(at: number): void {
  requestAnimationFrame(frame)
  if (received?.type === 'patch') {
    const patch = received
    received = undefined
    isAwaiting = false
    batch(() => {
      if (patch.status) status.value = patch.status
      for (const row of patch.rows ?? []) rowOf(row.symbol).value = row
      for (const spark of patch.sparks ?? []) sparkOf(spark.symbol).value = spark
      if (patch.watch) {
        // The gateway's own, where nothing was asked for.
        if (!first.groups && !isReady.value) setGroups([{ name: '', symbols: patch.watch }])
        isReady.value = true
      }
      if (patch.prints) prints.value = joined(prints.peek(), patch.prints)
      if (patch.ladder) ladder.value = patch.ladder
      if (patch.health) health.value = patch.health
    })
    if (patch.chart) chartListener?.(patch.chart)
  }
  const second = Math.floor((Date.now() + status.value.offsetMs) / 1_000) * 1_000
  if (second !== now.value) now.value = second
  for (const paint of painters) paint(at)
  if (isAwaiting || at - askedAt < FRAME_MS) return
  isAwaiting = true
  askedAt = at
  tell({ type: 'frame' })
}

/** The newest of both. */
function joined(before: Prints | undefined, news: Prints): Prints {
  if (news.isWhole || before?.symbol !== news.symbol) return news
  return { ...news, list: [...news.list, ...before.list].slice(0, KEPT_PRINTS) }
}

/** Shows a symbol; one that is not in the list is added. */
export function show(symbol: string): void {
  add(symbol)
  chosen.value = symbol.toUpperCase()
  keep()
}

export function add(symbol: string): void {
  const name = symbol.trim().toUpperCase()
  if (name === '' || watch.value.includes(name)) return
  setGroups(withSymbol(groups.value, name, focus.value))
}

export function remove(symbol: string): void {
  const at = watch.value.indexOf(symbol)
  const others = watch.value.filter(one => one !== symbol)
  if (focus.value === symbol) chosen.value = others[Math.min(at, others.length - 1)] ?? ''
  setGroups(withoutSymbol(groups.value, symbol))
}

export function setGroups(list: readonly Group[]): void {
  // The first of a list is chosen where nobody has: it stays so when it moves.
  const before = focus.value
  batch(() => {
    groups.value = list
    if (watch.value.includes(before)) chosen.value = before
  })
  tell({ type: 'watch', symbols: watch.value })
  keep()
}

export function setInterval(name: ChartInterval): void {
  interval.value = name
  keep()
}

export function nextZone(): void {
  zoneChoice.value = ZONES[(ZONES.indexOf(zoneChoice.value) + 1) % ZONES.length]!
  keep()
}

export function toggleStudy(name: Study): void {
  studies.value = toggled(studies.value, name)
  keep()
}

export function togglePanel(name: PanelName): void {
  const others = toggled(panels.value, name)
  if (others.length > 0) panels.value = others
  keep()
}

const toggled = <T>(all: readonly T[], one: T) =>
  all.includes(one) ? all.filter(it => it !== one) : [...all, one]

/** The view as the address holds it. */
export const words = () =>
  queryOf({
    ...{ groups: groups.value, symbol: focus.value, interval: interval.value },
    ...{ studies: studies.value, zone: zoneChoice.value, panels: panels.value },
  })

/** Shows a view that was kept; what it does not say of the list stays. */
export function showView(query: string): void {
  const view = viewOf(query)
  batch(() => {
    chosen.value = view.symbol
    interval.value = view.interval
    studies.value = view.studies
    zoneChoice.value = view.zone
    panels.value = view.panels
    if (view.groups) setGroups(view.groups)
  })
  keep()
}

export function askFocus(symbol: string, name: ChartInterval): void {
  if (symbol !== '') tell({ type: 'focus', symbol, interval: name })
}

export function showKey(key: string): void {
  tell({ type: 'key', key })
}

/** Frames of a source behind one that is known. */
export function inspect(source: string, after: number): Promise<Inspected> {
  tell({ type: 'inspect', source, after })
  return new Promise(resolve => {
    inspected = resolve
  })
}

/** Lines of the list that somebody can see. */
export function see(symbols: readonly string[]): void {
  tell({ type: 'sight', symbols })
}

/** Steers a recording. */
export function steer(how: ReplayOrder): void {
  tell({ type: 'replay', how })
}

export function search(text: string): Promise<Found> {
  const number = ++ticket
  tell({ type: 'search', text, ticket: number })
  return new Promise(resolve => searches.set(number, resolve))
}

function keep(): void {
  history.replaceState(null, '', `?${words()}`)
}
