import type {
  Happening,
  Health,
  Inspected,
  LedgerLine,
  ReplayOrder,
  SourceHealth,
} from '../wire.ts'
import { ask } from './rest.ts'

/** Sources every two seconds, the accounts of the day every six. */
const EVERY = 2
const ACCOUNTS_EVERY = 6

interface HealthAnswer {
  readonly sources: readonly Pick<SourceHealth, 'source' | 'state' | 'reason' | 'lag'>[]
  readonly tape: { readonly seq: number; readonly isRecording: boolean }
}

interface FeedAnswer {
  readonly source: string
  readonly connectedAt?: number
  readonly connects: number
  readonly lost?: string
  readonly events: number
  readonly bytes?: number
  readonly holes: { readonly opened: number; readonly filled: number; readonly left: number }
  readonly dropped: Readonly<Record<string, number>>
  readonly use: readonly string[]
  readonly timeline: readonly Happening[]
  readonly replay?: {
    readonly state: string
    readonly time?: number
    readonly speed: number | null
  }
}

interface FeedsAnswer {
  readonly startedAt: number
  readonly data: readonly FeedAnswer[]
  readonly clients: Health['clients']
}

const COUNTED = ['received', 'gaps', 'duplicates', 'quarantined', 'dropped'] as const

/** How the gateway's sources are, asked for now and then. */
export class HealthWatch {
  /** Of the gateway that was last greeted. */
  tape: string | undefined
  #seconds = 0
  #isAsking = false
  #isCounting = false
  /** Why the accounts of the day could not be had. */
  #failure: string | undefined
  #health: Health | undefined
  #isDirty = false
  #ledger: readonly LedgerLine[] = []
  #stores: Health['stores'] = []
  #last: { readonly seq: number; readonly at: number; readonly feeds: FeedsAnswer } | undefined

  begin(tape: string): void {
    this.tape = tape
    this.#seconds = 0
    this.#last = undefined
  }

  /** Called once a second. */
  async look(): Promise<void> {
    const second = this.#seconds++
    if (second % EVERY !== 0 || this.#isAsking) return
    this.#isAsking = true
    try {
      // Stores that are just opening answer late: how the sources are does not wait for them.
      if (second % ACCOUNTS_EVERY === 0 && !this.#isCounting) void this.#accounts()
      await this.#sources()
    } catch (error) {
      this.#show({ ...(this.#health ?? NONE), failure: (error as Error).message })
    } finally {
      this.#isAsking = false
    }
  }

  /** Steers a recording, and shows at once how it plays then. */
  async steer(order: ReplayOrder): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    try {
      await ask('replay', {}, { method: 'POST', headers, body: JSON.stringify(order) })
      await this.#sources()
    } catch (error) {
      this.#show({ ...(this.#health ?? NONE), failure: (error as Error).message })
    }
  }

  async inspect(source: string, after: number): Promise<Inspected> {
    const type = 'inspected'
    try {
      type Answer = Pick<Inspected, 'hasFrames'> & { readonly data: Inspected['chunks'] }
      const { hasFrames, data } = await ask<Answer>('frames', { source, after })
      return { type, source, hasFrames, chunks: data, failure: undefined }
    } catch (error) {
      return { type, source, hasFrames: false, chunks: [], failure: (error as Error).message }
    }
  }

  changed(): Health | undefined {
    if (!this.#isDirty) return undefined
    this.#isDirty = false
    return this.#health
  }

  async #sources(): Promise<void> {
    const [{ sources, tape }, feeds] = await Promise.all([
      ask<HealthAnswer>('health'),
      ask<FeedsAnswer>('feeds'),
    ])
    const at = performance.now()
    const last = this.#last
    const seconds = last ? (at - last.at) / 1_000 : 0
    const rateOf = (now: number | undefined, before: number | undefined) =>
      now === undefined || before === undefined || seconds === 0
        ? undefined
        : Math.max(0, (now - before) / seconds)
    const played = feeds.data.find(feed => feed.replay)
    this.#last = { seq: tape.seq, at, feeds }
    this.#show({
      sources: sources.flatMap(source => {
        const feed = feeds.data.find(it => it.source === source.source)
        const before = last?.feeds.data.find(it => it.source === source.source)
        if (!feed) return []
        const { holes, timeline } = feed
        return {
          ...{ ...source, ...this.#countsOf(source.source) },
          ...{ since: feed.connectedAt, connects: feed.connects, lost: feed.lost },
          rate: rateOf(feed.events, before?.events),
          bytesRate: rateOf(feed.bytes, before?.bytes),
          openGaps: Math.max(0, holes.opened - holes.filled - holes.left),
          resyncs: timeline.filter(({ notice }) => notice === 'resynced').length,
          ...{ use: feed.use, slow: Object.entries(feed.dropped), timeline },
        }
      }),
      ...{ stores: this.#stores, ledger: this.#ledger, clients: feeds.clients },
      replay: played && { source: played.source, ...played.replay! },
      rate: rateOf(tape.seq, last?.seq),
      ...{ startedAt: feeds.startedAt, seq: tape.seq, isRecording: tape.isRecording },
      failure: this.#failure,
    })
  }

  async #accounts(): Promise<void> {
    this.#isCounting = true
    try {
      const day = new Date().toISOString().slice(0, 10)
      const [ledger, stores] = await Promise.all([
        ask<{ data: readonly LedgerLine[] }>('ledger', { day }),
        ask<{ stores: Health['stores'] }>('stores'),
      ])
      this.#ledger = ledger.data
      this.#stores = stores.stores
      this.#failure = undefined
    } catch (error) {
      this.#failure = (error as Error).message
    } finally {
      this.#isCounting = false
    }
  }

  #countsOf(source: string) {
    const sum = { received: 0, gaps: 0, duplicates: 0, quarantined: 0, dropped: 0 }
    let [repaired, unrepaired] = [0, 0]
    for (const row of this.#ledger) {
      if (row.source !== source) continue
      for (const name of COUNTED) sum[name] += row[name]
      repaired += row.gapsRepaired
      unrepaired += row.gapsUnrepaired
    }
    return { ...sum, repaired, unrepaired }
  }

  #show(health: Health): void {
    this.#health = health
    this.#isDirty = true
  }
}

const NONE: Health = {
  ...{ sources: [], stores: [], ledger: [], startedAt: 0, replay: undefined },
  clients: { byProtocol: {}, slow: 0, dropped: 0, conflated: 0 },
  ...{ rate: undefined, seq: 0, isRecording: false, failure: undefined },
}
