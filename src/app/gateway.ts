import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Feed } from '../feed/feed.ts'
import { type AccessOptions, Door } from '../gateway/access.ts'
import type { AccountsView, GatewayContext, GatewayFeed, StoreState } from '../gateway/context.ts'
import { openRest } from '../gateway/rest.ts'
import { type Gateway, type GatewayOptions, openGateway } from '../gateway/serve.ts'
import { TlsFiles, type TlsPaths } from '../gateway/tls.ts'
import type { Tape } from '../tape/tape.ts'
import type { AppFeed } from './app.ts'
import type { StoreKeeper } from './keeper.ts'
import type { LedgerFile } from './ledger-file.ts'

/** Where a gateway listens, and who is let in. */
export interface GatewayConfig
  extends Pick<GatewayOptions, 'host' | 'port' | 'ports' | 'lingerMs'>,
    Pick<AccessOptions, 'keys' | 'admission' | 'hosts' | 'origins' | 'quotas'> {
  /** Certificate and key: then it is https and wss. @default none */
  readonly tls?: TlsPaths
}

/** The gateway of an app. */
export interface AppGateway extends Gateway {
  /**
   * Takes over what may change while it runs: hosts, origins and quotas; keys and certificates are looked at too. Returns
   * the names of settings that are others and take a restart. @throws BAD_OPTION KEYS_UNSAFE TLS_UNUSABLE, and nothing is
   * changed
   */
  reload(config: GatewayConfig): readonly string[]
}

/** What of the app a gateway shows. */
export interface Shown {
  readonly tape: Tape
  readonly feeds: readonly Feed[]
  readonly configs: readonly AppFeed[]
  readonly keeper: StoreKeeper | undefined
  readonly servers: readonly StoreState[]
  readonly account: LedgerFile | undefined
  readonly isRecording: () => boolean
  readonly accounts: AccountsView | undefined
  readonly clock: Clock
  readonly log: Log
}

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string }

/** Opens the gateway of an app. @throws PORT_IN_USE, EXPOSED, KEYS_UNSAFE, TLS_UNUSABLE, BAD_OPTION */
export async function openAppGateway(config: GatewayConfig, shown: Shown): Promise<AppGateway> {
  const { clock, log } = shown
  const { host = '127.0.0.1', port, ports, lingerMs, tls } = config
  const isSecure = tls !== undefined
  let gateway: Gateway | undefined
  const files = tls && new TlsFiles({ ...tls, clock, log, changed: pair => gateway?.secure(pair) })
  let door: Door | undefined
  try {
    const opened = new Door({ ...config, host, isSecure, clock, log })
    door = opened
    gateway = await openGateway(contextOf(shown), {
      ...{ host, ports, access: opened, version, tls: files?.pair },
      ...{ ...(port !== undefined && { port }), ...(lingerMs !== undefined && { lingerMs }) },
      http: inside => {
        const rest = openRest(inside, { door: opened, version })
        return {
          listener: rest.listener,
          close: () => {
            rest.close()
            files?.close()
          },
        }
      },
    })
    const reload = (next: GatewayConfig) => {
      const trouble = files?.reload()
      if (trouble) throw trouble
      opened.reload({ ...next, host, isSecure })
      return FIXED.filter(name => !isDeepStrictEqual(next[name], config[name]))
    }
    return Object.assign(gateway, { reload })
  } catch (error) {
    door?.close()
    files?.close()
    throw error
  }
}

/** What a running gateway keeps as it was. */
const FIXED = ['host', 'port', 'ports', 'admission', 'keys', 'tls'] as const

function contextOf(shown: Shown): GatewayContext {
  const { tape, keeper, servers, account, accounts, isRecording, clock, log } = shown
  return {
    ...{ tape, isRecording, accounts, clock, log },
    feeds: shown.feeds.map((feed, i) => feedOf(feed, shown.configs[i]!)),
    history: keeper && (signal => keeper.ready(signal)),
    stores: () => [...(keeper ? [stateOf(keeper)] : []), ...servers],
    ledger: () => account?.ledger.rows() ?? [],
  }
}

function feedOf(feed: Feed, { provider }: AppFeed): GatewayFeed {
  return {
    ...{ source: feed.source, capabilities: feed.capabilities, provider },
    get state() {
      return feed.state
    },
    health: symbol => feed.health(symbol),
    stats: () => feed.stats(),
    hold: request => feed.hold(request),
    raw: handler => feed.raw(handler),
    pipe: sink => feed.pipe(sink),
  }
}

function stateOf({ state, seq, behind, lagMs, error }: StoreKeeper): StoreState {
  return { name: 'embedded', state, seq, behind, lagMs, error }
}
