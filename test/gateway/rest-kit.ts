// A gateway on a real socket with a simulated market, a clock turned by hand, and a past that is an array.
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../src/base/log.ts'
import { silentLog } from '../../src/base/log.ts'
import { type Feed, openFeed } from '../../src/feed/feed.ts'
import type { HistoryRequest } from '../../src/flow/contracts.ts'
import { type AccessOptions, Door } from '../../src/gateway/access.ts'
import type { AccountsView, GatewayContext } from '../../src/gateway/context.ts'
import { createKey, type NewKey } from '../../src/gateway/keys.ts'
import { openRest, type Rest } from '../../src/gateway/rest.ts'
import { type Gateway, openGateway, type VendorPorts } from '../../src/gateway/serve.ts'
import type { EventType, MarketEvent } from '../../src/market/events.ts'
import { simulated } from '../../src/providers/simulated/index.ts'
import type { History } from '../../src/store/store.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { type HandClock, handClock } from '../../src/testing/clock.ts'

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of it, it checks
  readonly json: any
  /** It ended as it should have. */
  readonly isWhole: boolean
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface TestGateway {
  readonly gateway: Gateway
  readonly rest: Rest
  readonly door: Door
  readonly clock: HandClock
  readonly feed: Feed
  readonly context: GatewayContext
  readonly keysPath: string
  /** What is stored, oldest first. */
  readonly past: MarketEvent[]
  readonly faults: { history?: () => Error | undefined; behind?: number }
  newKey(key: NewKey): Promise<string>
  ask(path: string, options?: AskOptions): Promise<Answered>
  /** Asks, and turns the clock while it waits. */
  askFor(path: string, ms: number, options?: AskOptions): Promise<Answered>
  /** An answer that goes on. */
  open(path: string, options?: AskOptions): Promise<IncomingMessage>
  close(): Promise<void>
}

export async function openTestGateway(
  options: Partial<AccessOptions> & {
    readonly log?: Log
    readonly noHistory?: boolean
    readonly rate?: number
    readonly ports?: VendorPorts
    readonly accounts?: AccountsView
  } = {},
): Promise<TestGateway> {
  const clock = handClock()
  const log = options.log ?? silentLog
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-rest-'))
  const keysPath = join(folder, 'keys.json')
  const tape = memoryTape({ clock })
  const provider = simulated({ seed: 5, rate: options.rate ?? 200 })
  const feed = openFeed(provider, { clock, log, leases: false })
  feed.pipe(tape)
  const past: MarketEvent[] = []
  const faults: TestGateway['faults'] = {}
  const store = pastOf(past, faults) as History
  const context: GatewayContext = {
    ...{ tape, clock, log, accounts: options.accounts, isRecording: () => true },
    feeds: [
      {
        ...{ source: feed.source, capabilities: feed.capabilities, provider },
        get state() {
          return feed.state
        },
        health: symbol => feed.health(symbol),
        stats: () => feed.stats(),
        hold: request => feed.hold(request),
        raw: handler => feed.raw(handler),
        pipe: sink => feed.pipe(sink),
      },
    ],
    history: options.noHistory
      ? undefined
      : () => Promise.resolve({ store, behind: faults.behind ?? 0 }),
    stores: () => [
      ...[{ name: 'embedded', state: 'following', seq: 7, behind: 0, lagMs: 0, error: undefined }],
    ],
    ledger: () => [],
  }
  const door = new Door({ host: '127.0.0.1', keys: keysPath, clock, log, ...options })
  let rest!: Rest
  const gateway = await openGateway(context, {
    ...{ port: 0, ports: options.ports, access: door, version: '0.0.0' },
    http: inside => {
      rest = openRest(inside, { door, version: '0.0.0' })
      return rest
    },
  })
  const open = (path: string, { method = 'GET', headers = {}, body }: AskOptions = {}) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const asked = request(
        { host: '127.0.0.1', port: gateway.port, path, method, headers, agent: false },
        resolve,
      )
      asked.on('error', reject)
      asked.end(body)
    })
  const ask = async (path: string, asking?: AskOptions) => wholeOf(await open(path, asking))
  return {
    ...{ gateway, rest, door, clock, feed, context, keysPath, past, faults, open, ask },
    newKey: async key => {
      const made = await createKey(keysPath, key, clock)
      await clock.advance(1_000)
      return made.key
    },
    async askFor(path, ms, asking) {
      let isOver = false
      const answer = ask(path, asking).finally(() => {
        isOver = true
      })
      for (let left = ms; !isOver && left > 0; left -= 25) {
        // The request travels by a real socket.
        await new Promise(resolve => setTimeout(resolve, 2))
        await clock.advance(25)
      }
      return answer
    },
    async close() {
      await feed.close()
      const closing = gateway.close()
      door.close()
      await closing
      await tape.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function wholeOf(message: IncomingMessage): Promise<Answered> {
  const parts: Buffer[] = []
  let isWhole = true
  try {
    for await (const part of message) parts.push(part as Buffer)
  } catch {
    isWhole = false
  }
  const text = Buffer.concat(parts).toString()
  const { statusCode: status = 0, headers } = message
  const isJson = headers['content-type']?.startsWith('application/json') && text !== ''
  return { status, headers, text, json: isJson && isWhole ? JSON.parse(text) : undefined, isWhole }
}

/** A past that is an array, in batches of three. */
function pastOf(past: readonly MarketEvent[], faults: TestGateway['faults']): Partial<History> {
  return {
    async *history({ kind, symbols, from, to, source }: HistoryRequest) {
      const found = past.filter(
        event =>
          event.type === kind &&
          (symbols.includes('*') || symbols.includes(event.symbol ?? '')) &&
          (source === undefined || source === event.source) &&
          event.timestamp >= from &&
          event.timestamp <= to,
      )
      for (let at = 0; at < found.length; at += 3) {
        if (at > 0) {
          const fault = faults.history?.()
          if (fault) throw fault
        }
        yield found.slice(at, at + 3)
      }
    },
    holdings: async () => [
      ...[...new Set(past.map(event => event.type))].map(kind => ({
        ...{ day: '2024-01-15', kind: kind as EventType, symbols: 1, sealed: false, bytes: 10 },
        rows: past.filter(event => event.type === kind).length,
      })),
    ],
  }
}
