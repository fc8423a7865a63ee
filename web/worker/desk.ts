import type { EventType, MarketEvent, Notice } from '../../src/market/events.ts'
import {
  type Answered,
  type ClientStatus,
  connect,
  type GatewayClient,
  type Hello,
  type TickwireError,
} from '../../src/providers/tickwire/client-browser.ts'
import type { ChartInterval, ChartPatch, Patch, Status } from '../wire.ts'
import { Gaps } from './gaps.ts'
import { HealthWatch } from './health-watch.ts'
import { LadderWatch } from './ladder-watch.ts'
import { Line } from './line.ts'
import { Marks } from './marks.ts'
import { type Charted, PastLoader } from './past.ts'
import { PrintLog } from './print-log.ts'
import { ask } from './rest.ts'
import { Series } from './series.ts'
import { Shelves } from './shelves.ts'

/** A list to begin with. */
const FIRST_SYMBOLS = 24
/** Lines out of sight are for sorting and counting only; small charts hardly move: both are told so often, ms. */
const SELDOM_MS = 1_000
/** Whether another day has begun is looked at so often, seconds. */
const DAYS_EVERY = 15
/** The chart is painted whole each time, ms. */
const CHART_MS = 200
/** So far the time of a recording may be from the page's, ms. */
const DRIFT_MS = 1_500
/** What quotes are merged to: quicker than anybody reads, ms. */
const QUOTES_MS = 100

/** Everything the page shows, kept up with one gateway; {@link patch} takes what has changed. */
export class Desk {
  readonly health = new HealthWatch()
  #client: GatewayClient | undefined
  #trades: Shelves | undefined
  #quotes: Shelves | undefined
  #watch: readonly string[] | undefined
  #lines = new Map<string, Line>()
  #chart: Charted | undefined
  #marks = new Marks()
  #prints: PrintLog | undefined
  #gaps = new Gaps()
  readonly #ladder = new LadderWatch()
  #status: Status = {
    ...{ state: 'connecting', needsKey: false, sources: [], hasBooks: false, offsetMs: 0 },
  }
  #isStatusNew = true
  #isWatchNew = false
  #areGapsNew = false
  #isHidden = false
  #seconds = 0
  #othersAt = Number.NEGATIVE_INFINITY
  #sparksAt = Number.NEGATIVE_INFINITY
  #chartAt = Number.NEGATIVE_INFINITY
  #seen: ReadonlySet<string> = new Set()
  #isReplay = false
  /** Of notices that have been heard: those that concern a source come with each subscription. */
  readonly #heard = new Set<number>()
  readonly #past = new PastLoader({
    now: () => this.#now,
    line: symbol => this.#lines.get(symbol),
    chart: () => this.#chart,
    isShown: event => this.#isOfFocus(event),
    failed: reason => {
      if (this.#status.noPast !== reason) this.#say({ noPast: reason })
    },
  })

  open(watch: readonly string[] | undefined): void {
    this.#watch = watch
    this.#connect()
    setInterval(() => this.#second(), 1_000)
  }

  watch(symbols: readonly string[]): void {
    this.#watch = symbols
    this.#isWatchNew = true
    this.#follow()
  }

  focus(symbol: string, interval: ChartInterval): void {
    const before = this.#chart
    if (before?.symbol === symbol && before.interval === interval) return
    this.#chartAt = Number.NEGATIVE_INFINITY
    const series = new Series(interval, () => this.#past.tear(undefined))
    this.#chart = { symbol, interval, series, before: [] }
    const isOpen = this.#client?.state === 'open'
    if (before?.symbol !== symbol) {
      this.#marks = new Marks()
      this.#prints = new PrintLog(symbol)
      this.#ladder.show(this.#bookOf(symbol), symbol)
      if (isOpen) void this.#past.prints(this.#prints)
    }
    if (isOpen) void this.#past.chart()
  }

  /** These lines are in sight. */
  see(symbols: readonly string[]): void {
    this.#seen = new Set(symbols)
    // Of what has just come into sight they may have waited.
    this.#sparksAt = Number.NEGATIVE_INFINITY
  }

  /** Where nobody looks, quotes and books need not come: trades add up to bars, and go on. */
  hide(isHidden: boolean): void {
    this.#isHidden = isHidden
    this.#quotes?.want(isHidden ? [] : (this.#watch ?? []))
    const symbol = this.#chart?.symbol
    if (symbol !== undefined) this.#ladder.show(isHidden ? undefined : this.#bookOf(symbol), symbol)
  }

  /** Shows a key, for which the gateway gives a cookie, and tries again. */
  async key(key: string): Promise<void> {
    try {
      const init = { method: 'POST', body: JSON.stringify({ key }) }
      await ask('session', {}, { ...init, headers: { 'content-type': 'application/json' } })
      this.#say({ needsKey: false, keyRefused: undefined })
      this.#connect()
    } catch (error) {
      this.#say({ keyRefused: (error as Error).message })
    }
  }

  patch(): Patch {
    const at = performance.now()
    const patch = {
      type: 'patch',
      status: this.#isStatusNew ? this.#status : undefined,
      watch: this.#isWatchNew ? this.#watch : undefined,
      ...this.#linesPatch(at),
      chart: at - this.#chartAt >= CHART_MS ? this.#chartPatch(at) : undefined,
      prints: this.#prints?.changed(),
      ladder: this.#ladder.changed(),
      health: this.health.changed(),
    } as const
    this.#isStatusNew = false
    this.#isWatchNew = false
    return patch
  }

  #linesPatch(at: number): Pick<Patch, 'rows' | 'sparks'> {
    const all = [...this.#lines.values()]
    const areOthersDue = at - this.#othersAt >= SELDOM_MS
    if (areOthersDue) this.#othersAt = at
    const areSparksDue = at - this.#sparksAt >= SELDOM_MS
    if (areSparksDue) this.#sparksAt = at
    const focus = this.#chart?.symbol
    const isSeen = ({ symbol }: Line) => symbol === focus || this.#seen.has(symbol)
    const rows = all.filter(line => line.isDirty && (areOthersDue || isSeen(line)))
    const sparks = areSparksDue ? all.filter(line => line.isSparkDirty && isSeen(line)) : []
    for (const line of rows) line.isDirty = false
    for (const line of sparks) line.isSparkDirty = false
    return {
      rows: rows.length > 0 ? rows.map(line => line.row) : undefined,
      sparks: sparks.length > 0 ? sparks.map(line => line.spark) : undefined,
    }
  }

  #chartPatch(at: number): ChartPatch | undefined {
    if (!this.#chart) return undefined
    const { symbol, interval, series, before } = this.#chart
    const changes = series.changes()
    const isMarked = this.#marks.changed()
    if (!changes && !this.#areGapsNew && !isMarked) return undefined
    this.#areGapsNew = false
    this.#chartAt = at
    const line = this.#lines.get(symbol)
    const { isWhole, points } = changes ?? { isWhole: false, points: [] }
    return {
      ...{ symbol, interval, source: line?.source, digits: line?.digits ?? 2 },
      ...{ isWhole, points, before: isWhole ? before : [] },
      ...{ gaps: this.#gaps.of(symbol, line?.source), marks: this.#marks.all },
    }
  }

  #connect(): void {
    const client = connect({ encoding: 'blocks' })
    this.#client = client
    this.#trades = undefined
    this.#quotes = undefined
    client.watch(status => this.#connected(client, status))
    // What ended it is told by `watch`.
    client.done.catch(() => {})
  }

  #connected(client: GatewayClient, { state, reason }: ClientStatus): void {
    if (client !== this.#client) return
    const words = reason && (reason.hint ? `${reason.message}. ${reason.hint}` : reason.message)
    const needsKey = state === 'closed' && /^KEY_/.test(reason?.code ?? '')
    this.#say({ state, reason: state === 'open' ? undefined : words, needsKey })
    if (state === 'open') this.#greeted(client, client.hello!)
    else this.#ladder.cut('no connection to the gateway')
  }

  #greeted(client: GatewayClient, hello: Hello): void {
    const kinds = new Set(hello.sources.flatMap(source => source.kinds))
    this.#say({
      banner: hello.banner,
      sources: hello.sources.map(({ source }) => source),
      hasBooks: kinds.has('book'),
      offsetMs: hello.time - Date.now(),
    })
    this.#isReplay = hello.sources.every(source => source.nature === 'replayed')
    const isFirst = this.#trades === undefined
    if (isFirst || this.health.tape !== hello.tape) {
      // Another tape is another market's order: nothing of the one before goes on.
      this.health.begin(hello.tape)
      this.#gaps = new Gaps()
      this.#heard.clear()
    }
    if (isFirst) this.#subscribe(client, kinds)
    void this.#begin()
  }

  #subscribe(client: GatewayClient, kinds: ReadonlySet<EventType>): void {
    const those = (...names: Exclude<EventType, 'notice'>[]) => names.filter(it => kinds.has(it))
    this.#trades = new Shelves(
      client,
      { kinds: those('trade', 'correction', 'cancel', 'status') },
      {
        batch: (events, isSnapshot) => this.#take(events, isSnapshot),
        answered: answer => this.#answered(answer),
        refused: (symbols, reason) => this.#refused(symbols, reason),
      },
    )
    this.#quotes = new Shelves(
      client,
      { kinds: those('quote', 'ticker'), conflateMs: QUOTES_MS },
      {
        batch: (events, isSnapshot) => {
          const now = this.#now
          for (const event of events) {
            if (event.type !== 'notice')
              this.#lines.get(event.symbol!)?.accept(event, !isSnapshot, now)
          }
        },
        ...(kinds.has('trade') ? {} : { answered: answer => this.#answered(answer) }),
      },
    )
    this.#ladder.open(client)
  }

  /** The connection is there, the first or another one: what is on show is asked for. */
  async #begin(): Promise<void> {
    if (!this.#watch) {
      const { data } = await ask<{ data: { symbol: string }[] }>('symbols', { limit: 1_000 })
      const known = [...new Set(data.map(one => one.symbol))].slice(0, FIRST_SYMBOLS)
      this.#watch = known
    }
    this.#isWatchNew = true
    if (this.#chart) {
      const { symbol } = this.#chart
      this.#ladder.show(this.#isHidden ? undefined : this.#bookOf(symbol), symbol)
      void this.#past.chart()
    }
    this.#follow()
    for (const line of this.#lines.values()) if (line.state === 'offline') line.says('live', '')
    if (this.#prints) void this.#past.prints(this.#prints)
  }

  #follow(): void {
    const symbols = this.#watch ?? []
    const lines = new Map<string, Line>()
    const fresh: Line[] = []
    for (const symbol of symbols) {
      let line = this.#lines.get(symbol)
      if (!line) {
        line = new Line(symbol, () => this.#past.tear(symbol))
        fresh.push(line)
      }
      lines.set(symbol, line)
    }
    this.#lines = lines
    this.#trades?.want(symbols)
    this.#quotes?.want(this.#isHidden ? [] : symbols)
    if (this.#trades) void this.#past.lines(fresh)
  }

  #bookOf = (symbol: string) => (this.#status.hasBooks ? symbol : undefined)

  #take(events: readonly MarketEvent[], isSnapshot: boolean): void {
    const chart = this.#chart
    const newest = events.at(-1)
    // A recording has a time of its own, which the page lives in.
    if (this.#isReplay && !isSnapshot && newest) {
      const drift = newest.receivedAt - this.#now
      if (newest.type !== 'notice' && Math.abs(drift) > DRIFT_MS) {
        this.#say({ offsetMs: this.#status.offsetMs + drift })
      }
    }
    const now = this.#now
    for (const event of events) {
      if (event.type === 'notice') this.#hear(event)
      else {
        this.#lines.get(event.symbol!)?.accept(event, !isSnapshot, now)
        if (!chart || event.symbol !== chart.symbol || !this.#isOfFocus(event)) continue
        this.#marks.accept(event)
        if (isSnapshot || event.type === 'status') continue
        chart.series.accept(event)
        if (event.type === 'trade') this.#prints?.trade(event)
        else this.#prints?.fix(event)
      }
    }
  }

  /** Where several sources have a symbol, the first that came is shown. */
  #isOfFocus(event: MarketEvent): boolean {
    const source = this.#lines.get(event.symbol!)?.source
    return source === undefined || event.source === source
  }

  #hear(notice: Notice): void {
    const { seq, source, symbol, kind, message, timestamp } = notice
    if (seq !== undefined) {
      if (this.#heard.has(seq)) return
      this.#heard.add(seq)
    }
    if (notice.notice === 'clock') return
    const lines = [...this.#lines.values()].filter(
      line =>
        (symbol === undefined || line.symbol === symbol) &&
        (source === '' || line.source === undefined || line.source === source),
    )
    const isOfTrades = kind === undefined || kind === 'trade'
    switch (notice.notice) {
      case 'stale':
      case 'quiet':
        for (const line of lines) line.silent(notice.notice, message, timestamp)
        break
      case 'live':
      case 'connected':
        for (const line of lines) if (line.state !== 'gap') line.says('live', '')
        break
      case 'disconnected':
        for (const line of lines) line.silent('offline', message, timestamp)
        break
      case 'gap':
        if (isOfTrades) for (const line of lines) line.says('gap', message)
        break
      case 'repaired':
      case 'unrepaired':
        for (const line of lines) if (line.state === 'gap') line.says('live', message)
        for (const line of lines) this.#past.tear(line.symbol)
        this.#past.tear(undefined)
        break
      case 'skipped':
      case 'dropped':
      case 'reset':
      case 'lost':
        for (const line of this.#lines.values()) this.#past.tear(line.symbol)
        this.#past.tear(undefined)
        break
      default:
    }
    this.#gaps.accept(notice)
    this.#areGapsNew = true
    const focus = this.#chart?.symbol
    if (focus !== undefined && (symbol === undefined || symbol === focus))
      this.#prints?.note(notice)
  }

  #answered({ accepted, rejected }: Answered): void {
    const good = new Set(accepted.map(symbolOf))
    for (const { topic, message, hint } of rejected) {
      const symbol = symbolOf(topic)
      // A kind more or less of a symbol that comes is no matter.
      if (good.has(symbol)) continue
      this.#lines.get(symbol)?.says('refused', hint ? `${message}. ${hint}` : message)
    }
  }

  #refused(symbols: readonly string[], { message, hint }: TickwireError): void {
    const note = hint ? `${message}. ${hint}` : message
    for (const symbol of symbols) this.#lines.get(symbol)?.says('refused', note)
  }

  get #now(): number {
    return Date.now() + this.#status.offsetMs
  }

  #second(): void {
    const now = this.#now
    for (const line of this.#lines.values()) line.minutes.advance(now - line.behindMs)
    if (this.#seconds++ % DAYS_EVERY === 0) {
      for (const line of this.#lines.values())
        if (line.hasTurned(now - line.behindMs)) this.#past.tear(line.symbol)
    }
    if (this.#chart) {
      const { symbol, series } = this.#chart
      series.advance(now - (this.#lines.get(symbol)?.behindMs ?? 0))
    }
    if (this.#client?.state === 'open' && !this.#isHidden) void this.health.look()
  }

  #say(news: { [K in keyof Status]?: Status[K] | undefined }): void {
    this.#status = { ...this.#status, ...news } as Status
    this.#isStatusNew = true
  }
}

/** Of a topic `source:kind:symbol`, where the symbol may have colons. */
const symbolOf = (topic: string) => topic.split(':').slice(2).join(':')
