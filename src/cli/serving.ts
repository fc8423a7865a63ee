import { join, resolve } from 'node:path'
import type { App } from '../app/app.ts'
import type { GatewayConfig } from '../app/gateway.ts'
import { TickwireError } from '../base/errors.ts'
import { isLoopback, OPEN_TO_ALL, REDISTRIBUTION } from '../gateway/access.ts'
import type { Config, Surroundings } from './config.ts'
import { dataFolder } from './recording.ts'

/** Where to listen, as a person writes it: `8425`, `0.0.0.0:8425`, `[::1]:8425`. */
export interface Listen {
  readonly host?: string
  readonly port: number
}

/** @throws BAD_OPTION */
export function parseListen(text: string): Listen {
  const [, host, digits] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535) {
    throw new TickwireError('BAD_OPTION', `--listen takes a port, or host:port, not ${text}`, {
      hint: 'As in --listen 9000 or --listen 192.168.1.20:8425.',
    })
  }
  return { ...(host && { host: host.replace(/^\[(.*)\]$/, '$1') }), port }
}

/** Ports of vendors' own, as flags. */
export interface PortFlags {
  readonly alpacaPort?: number
  readonly polygonPort?: number
  readonly openalgoPort?: number
}

/** Where the keys of a gateway are kept. */
export function keysFile(config: Config, data: string | undefined, around: Surroundings): string {
  return resolve(around.cwd, config.gateway.keys ?? join(dataFolder(config, data, around), KEYS))
}

const KEYS = 'gateway-keys.json'

/** The gateway the settings describe. @throws BAD_CONFIG for half of a certificate and key */
export function gatewayOf(
  config: Config,
  flags: { readonly listen?: Listen; readonly data?: string } & PortFlags,
  around: Surroundings,
): GatewayConfig {
  const { host, port, ports, admission, hosts, origins, quotas, tls } = config.gateway
  const { alpacaPort, polygonPort, openalgoPort } = flags
  return {
    ...{ host: flags.listen?.host ?? host, port: flags.listen?.port ?? port, admission },
    ports: {
      alpaca: alpacaPort ?? ports.alpaca,
      polygon: polygonPort ?? ports.polygon,
      openalgo: openalgoPort ?? ports.openalgo,
    },
    keys: keysFile(config, flags.data, around),
    ...(hosts && { hosts }),
    ...(origins && { origins }),
    quotas,
    ...tlsOf(tls, around.cwd),
  }
}

function tlsOf({ cert, key }: Config['gateway']['tls'], cwd: string): Pick<GatewayConfig, 'tls'> {
  if (cert === undefined && key === undefined) return {}
  if (cert === undefined || key === undefined) {
    throw new TickwireError('BAD_CONFIG', 'gateway.tls names only one of cert and key', {
      hint: 'Set both, as paths of PEM files.',
    })
  }
  return { tls: { cert: resolve(cwd, cert), key: resolve(cwd, key) } }
}

/** What a command says of its gateway. */
export class ServingState {
  readonly #app: Pick<App, 'gateway'>
  readonly #config: GatewayConfig

  constructor(app: Pick<App, 'gateway'>, config: GatewayConfig) {
    this.#app = app
    this.#config = config
  }

  /** `served at http://127.0.0.1:8425, 2 clients` */
  get foot(): string {
    const { url, inside } = this.#app.gateway!
    const { length } = inside.clients()
    const clients =
      length === 0 ? 'open it in a browser' : `${length} client${length > 1 ? 's' : ''}`
    return `served at ${url} (${clients})`
  }

  /** Said once. */
  get lines(): readonly string[] {
    const { url, vendorUrls } = this.#app.gateway!
    const line = `served at ${url}; a page of it in a browser, a stream of it with tickwire/client`
    const vendors = Object.entries(vendorUrls).map(
      ([vendor, own]) => `the paths of ${vendor} as it has them at ${own}`,
    )
    const { host = '', admission } = this.#config
    if (isLoopback(host)) return [line, ...vendors]
    return [line, ...vendors, ...(admission === 'anyone' ? [OPEN_TO_ALL] : []), REDISTRIBUTION]
  }
}
