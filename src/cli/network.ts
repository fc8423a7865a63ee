import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { TickwireError } from '../base/errors.ts'
import { type NetworkOptions, parseProxy } from '../base/network.ts'
import type { Settings } from './schema.ts'

/** The environment's own names of proxies, for each protocol; the first that is set counts. */
export const PROXY_VARIABLES = {
  https: ['https_proxy', 'HTTPS_PROXY'],
  http: ['http_proxy', 'HTTP_PROXY'],
} as const
export const NO_PROXY_VARIABLES = ['no_proxy', 'NO_PROXY'] as const

/** Never by a proxy that only the environment names: `tickwire sim` is here. */
const HERE = 'localhost,127.0.0.1,::1'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * How venues are reached: by the settings, where these name a proxy; otherwise by that of the environment.
 * @throws BAD_CONFIG for a proxy that is no address (what it is set to is not repeated), or a file that cannot be read
 */
export function networkOptions(
  settings: Settings['network'],
  env: Environment,
  cwd: string,
): NetworkOptions {
  const { proxy, except } = settings
  const ca = settings.ca === undefined ? {} : { ca: readCertificates(settings.ca, cwd) }
  if (proxy) {
    return { ...ca, proxy: checked(proxy, 'network.proxy'), ...(except && { noProxy: except }) }
  }
  const [http, https] = [fromEnvironment('http', env), fromEnvironment('https', env)]
  if (http === undefined && https === undefined) return ca
  const exceptions = except ?? first(NO_PROXY_VARIABLES, env)?.text
  return { ...ca, proxy: { http, https }, noProxy: [HERE, exceptions ?? ''].join(',') }
}

function fromEnvironment(protocol: 'http' | 'https', env: Environment): string | undefined {
  const found = first(PROXY_VARIABLES[protocol], env)
  return found && checked(found.text, found.name)
}

function first(names: readonly string[], env: Environment) {
  const name = names.find(one => env[one])
  return name === undefined ? undefined : { name, text: env[name]! }
}

/** As other programs do, `host:port` alone is taken for `http://host:port`. */
function checked(text: string, name: string): string {
  const address = text.includes('://') ? text : `http://${text}`
  try {
    parseProxy(address)
  } catch (cause) {
    throw new TickwireError('BAD_CONFIG', `${name} is no address of an HTTP proxy`, {
      hint: 'Write it as http://host:port or http://user:password@host:port, special characters as %40.',
      cause,
    })
  }
  return address
}

function readCertificates(path: string, cwd: string): string {
  let text = ''
  try {
    text = readFileSync(resolve(cwd, path), 'utf8')
  } catch (cause) {
    throw new TickwireError('BAD_CONFIG', `network.ca: ${path} cannot be read`, {
      hint: 'Give the path of a file of certificates (PEM).',
      cause,
    })
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new TickwireError('BAD_CONFIG', `network.ca: no certificate in ${path}`, {
    hint: 'It must be PEM: text that holds -----BEGIN CERTIFICATE-----.',
  })
}
