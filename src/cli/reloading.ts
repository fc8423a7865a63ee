import { isDeepStrictEqual } from 'node:util'
import type { App } from '../app/app.ts'
import type { GatewayConfig } from '../app/gateway.ts'
import { asError } from '../base/errors.ts'
import type { Feed, SubscribeRequest } from '../feed/feed.ts'
import type { Config } from './config.ts'
import { describeError } from './console.ts'
import type { ChosenFeed } from './feeds.ts'

/** What runs, as the settings said it. */
export interface Running {
  readonly config: Config
  readonly feeds: readonly ChosenFeed[]
  readonly gateway: GatewayConfig
}

/**
 * Calls `reload` at each SIGHUP. Not where somebody looks at a terminal: there the signal says that it has been closed, and
 * ends the command as it always does.
 */
export function onHangup(isTerminal: boolean, signal: AbortSignal, reload: () => void): void {
  if (isTerminal || process.platform === 'win32') return
  process.on('SIGHUP', reload)
  signal.addEventListener('abort', () => process.off('SIGHUP', reload))
}

/**
 * Takes over what the settings say by now, without a connection being made anew: symbols and kinds, the gateway's hosts,
 * origins, quotas, keys and certificates. What takes a restart is named, and what is wrong changes nothing.
 */
export class Reloader {
  readonly #app: Pick<App, 'gateway' | 'feeds'>
  readonly #read: () => Running
  readonly #say: (line: string) => void
  #running: Running

  constructor(
    app: Pick<App, 'gateway' | 'feeds'>,
    running: Running,
    read: () => Running,
    say: (line: string) => void,
  ) {
    this.#app = app
    this.#running = running
    this.#read = read
    this.#say = say
  }

  reload(): void {
    try {
      const next = this.#read()
      const fixed = [...(this.#app.gateway?.reload(next.gateway) ?? [])].map(
        name => `gateway.${name}`,
      )
      const before = this.#running
      const same = before.feeds.every((feed, i) => feed.source === next.feeds[i]?.source)
      if (!same || before.feeds.length !== next.feeds.length) fixed.push('feeds')
      else if (!isDeepStrictEqual(restOf(before.config), restOf(next.config))) fixed.push('others')
      const changes = same ? this.#follow(before.feeds, next.feeds) : []
      this.#running = { ...next, ...(!same && { feeds: before.feeds }) }
      this.#say(`settings read again${changes.length > 0 ? `: ${changes.join(', ')}` : ''}`)
      if (fixed.length > 0) this.#say(`  → ${words(fixed)} from the next start on`)
    } catch (error) {
      for (const line of describeError(error, false).split('\n')) this.#say(line)
      this.#say('the settings stay as they were')
    }
  }

  #follow(before: readonly ChosenFeed[], next: readonly ChosenFeed[]): string[] {
    return next.flatMap(({ request, source }, i) => {
      const feed = this.#app.feeds[i]!
      const added = lessOf(request, before[i]!.request)
      const gone = lessOf(before[i]!.request, request)
      if (countOf(gone) > 0) feed.unsubscribe(gone)
      if (countOf(added) > 0) this.#ask(feed, added)
      return [
        ...(countOf(added) > 0 ? [`${countOf(added)} subscriptions more of ${source}`] : []),
        ...(countOf(gone) > 0 ? [`${countOf(gone)} fewer of ${source}`] : []),
      ]
    })
  }

  #ask(feed: Feed, request: SubscribeRequest): void {
    const asking = feed.subscribe(request)
    asking.then(
      ({ rejected }) => {
        for (const { topic, reason } of rejected) {
          this.#say(`${feed.source}: no ${topic.kind} events of ${topic.symbol}: ${reason.message}`)
        }
      },
      error => this.#say(`${feed.source}: ${asError(error).message}`),
    )
  }
}

const words = (names: readonly string[]) =>
  names.includes('others')
    ? `${[...names.filter(name => name !== 'others'), 'what else has changed'].join(', ')} counts`
    : `${names.join(', ')} ${names.length > 1 ? 'count' : 'counts'}`

/** What of a request is not in another one. */
function lessOf(request: SubscribeRequest, other: SubscribeRequest): SubscribeRequest {
  const less: Record<string, string[]> = {}
  for (const [channel, symbols] of Object.entries(request)) {
    const known = new Set([other[channel as 'trades'] ?? []].flat())
    const left = [symbols].flat().filter(symbol => !known.has(symbol))
    if (left.length > 0) less[channel] = left
  }
  return less
}

const countOf = (request: SubscribeRequest) => Object.values(request).flat().length

/** Settings that are taken over while it runs, or are none. */
const TAKEN_OVER = ['gateway', 'symbols', 'kinds', 'feeds', 'variables', 'each']

function restOf(config: Config): object {
  const rest = Object.entries(config).filter(([name]) => !TAKEN_OVER.includes(name))
  const each = config.each.map(one => ({ source: one.source, config: restOf(one.config) }))
  return { ...Object.fromEntries(rest), each }
}
