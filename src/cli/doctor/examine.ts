import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { TickwireError } from '../../base/errors.ts'
import { checkFlags, resolveConfig, type StreamFlags } from '../commands/stream.ts'
import {
  ALPACA_KEY,
  ALPACA_SECRET,
  CONFIG_FILES,
  type Config,
  readDotEnv,
  type Surroundings,
  VENDOR_KEYS,
} from '../config.ts'
import { NO_PROXY_VARIABLES, PROXY_VARIABLES } from '../network.ts'
import { type Chosen, chooseProvider } from '../providers.ts'
import { tapeFolder } from '../recording.ts'
import { PROVIDERS, type ProviderName } from '../schema.ts'
import { CHECKS, type Finding, failed, ok, type Setup, skipped, type Tools } from './finding.ts'
import { disk, machine } from './machine.ts'
import { streamed } from './stream.ts'
import { asked, hosts } from './venue.ts'

export interface DoctorFlags
  extends Pick<StreamFlags, 'provider' | 'market' | 'feed' | 'config' | 'debug'> {
  readonly tape?: string
  /** How long the first tick may take, ms. */
  readonly wait: number
}

/** Looks at one thing after the other, and tells what it finds; ends early when the signal aborts. */
export async function* examine(
  words: readonly string[],
  flags: DoctorFlags,
  around: Surroundings,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  let config: Config | undefined
  let setup: Setup | undefined
  try {
    config = resolveConfig(around, flags)
    const chosen = chooseProvider(config, {})
    checkFlags(chosen, flags)
    setup = { config, chosen }
    yield configured(words, flags, around)
    yield keyed(chosen)
  } catch (thrown) {
    const { code } = thrown as TickwireError
    const keys = code === 'MISSING_KEY' || code === 'BAD_KEY'
    if (keys) yield configured(words, flags, around)
    yield failed(keys ? 'keys' : 'configuration', thrown)
    const rest = CHECKS.slice(keys ? 2 : 1, CHECKS.indexOf('disk'))
    yield* skipped(rest, keys ? 'needs a key' : 'needs a configuration')
  }
  if (setup) yield* venue(setup, words, flags, around, { clock, signal })
  if (signal.aborted) return
  if (config) yield disk(tapeFolder(config, flags.tape, around), config, around)
  else yield* skipped(['disk'], 'needs a configuration')
  yield machine()
}

/** Everything that needs the venue. */
async function* venue(
  setup: Setup,
  words: readonly string[],
  flags: DoctorFlags,
  around: Surroundings,
  tools: Tools,
): AsyncGenerator<Finding> {
  const { config, chosen } = setup
  const { check, capabilities } = chosen.provider
  if (check) {
    let reached = true
    for await (const finding of hosts(check, config, tools)) {
      if (tools.signal.aborted) return
      reached &&= finding.status === 'ok'
      yield finding
    }
    const behind = CHECKS.slice(CHECKS.indexOf('clock'), CHECKS.indexOf('disk'))
    if (!reached) return yield* skipped(behind, 'the venue is not reached')
    for (const finding of await asked(check, tools.signal, capabilities.auth)) {
      if (tools.signal.aborted) return
      yield finding
      if (finding.code === 'AUTH_FAILED') {
        return yield* skipped(behind.slice(2), 'the venue refuses the key')
      }
    }
  } else if (capabilities.nature === 'simulated') {
    yield ok('host', 'none to reach: the market is made in this process')
    yield ok('clock', "the market's is this machine's")
    yield ok('account', 'none needed')
  } else {
    const known = capabilities.auth === 'none' ? ok('account', 'none needed') : undefined
    yield* skipped(['host', 'clock'], 'the provider cannot be asked for it')
    yield* known ? [known] : skipped(['account'], 'the provider cannot be asked for it')
  }
  if (!tools.signal.aborted) yield* streamed(setup, words, flags.wait, around, tools)
}

/** Which file there is, and which variables: never what they hold. */
function configured(
  words: readonly string[],
  { config }: DoctorFlags,
  { env, cwd }: Surroundings,
): Finding {
  const own = config ?? (env.TICKWIRE_CONFIG || undefined)
  const file = own ?? CONFIG_FILES.find(name => existsSync(join(cwd, name)))
  const proxies = [...PROXY_VARIABLES.https, ...PROXY_VARIABLES.http, ...NO_PROXY_VARIABLES]
  const names = Object.keys(env)
    .filter(
      name => env[name] && (/^(TICKWIRE|APCA)_/.test(name) || proxies.includes(name as never)),
    )
    .sort()
  const dotEnv = readDotEnv(cwd)
  const here = names.filter(name => dotEnv[name] === env[name])
  const elsewhere = names.filter(name => !here.includes(name))
  const parts = [
    file ?? 'no file, so defaults',
    ...(here.length > 0 ? [`.env sets ${here.join(', ')}`] : []),
    ...(elsewhere.length > 0 ? [`the environment sets ${elsewhere.join(', ')}`] : []),
  ]
  const finding = ok('configuration', parts.join('; '))
  const name = PROVIDERS.find(provider => words.includes(provider))
  if (name === undefined) return finding
  const next = `${name} is taken for a symbol; if the provider is meant: \`tickwire doctor -p ${name}\`.`
  return { ...finding, status: 'warn', next }
}

/** Where the keys of a provider are set. */
const KEY_VARIABLES: Partial<Record<ProviderName, string>> = {
  alpaca: `${ALPACA_KEY} and ${ALPACA_SECRET}`,
  polygon: VENDOR_KEYS.polygon.join(' or '),
}

function keyed({ name, provider: { capabilities } }: Chosen): Finding {
  const { title, auth } = capabilities
  const keys = KEY_VARIABLES[name] ?? 'its keys'
  return ok(
    'keys',
    `${title}: ${auth === 'none' ? 'none needed' : `${keys} are set and well-formed`}`,
  )
}
