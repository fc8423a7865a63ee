import { existsSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parse as parseEnv } from 'dotenv'
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { type ErrorCode, TickwireError } from '../base/errors.ts'
import type { NetworkOptions } from '../base/network.ts'
import { didYouMean } from '../base/suggest.ts'
import { networkOptions } from './network.ts'
import {
  configSchema,
  keysAt,
  LEAVES,
  type Leaf,
  type RawSettings,
  type Settings,
} from './schema.ts'

/** The files looked for in the working directory, the first found is read. */
export const CONFIG_FILES = ['tickwire.config.yaml', 'tickwire.config.json'] as const

/** The vendor's own names of its keys. Keys are read from here only: never from flags, never from a config file. */
export const ALPACA_KEY = 'APCA_API_KEY_ID'
export const ALPACA_SECRET = 'APCA_API_SECRET_KEY'

/** Variables that hold the one key or token of other vendors, by provider; the first that is set counts. */
export const VENDOR_KEYS = {
  polygon: ['POLYGON_API_KEY', 'MASSIVE_API_KEY'],
  openalgo: ['OPENALGO_API_KEY'],
  alltick: ['ALLTICK_TOKEN'],
  tickwire: ['TICKWIRE_KEY'],
} as const satisfies Record<string, readonly string[]>

/** The keys `tickwire sim` asks of its clients, where it shall not take any. */
const SIM_KEY = 'TICKWIRE_SIM_KEY'
const SIM_SECRET = 'TICKWIRE_SIM_SECRET'

/** Variables of ours that are no settings: the config file's path, keys, a bot's webhook and ping, and what only the examples read. */
const OTHER_VARIABLES = /^TICKWIRE_(CONFIG$|KEY$|EXAMPLE_|SIM_KEY$|SIM_SECRET$|WEBHOOK$|PING$)/

/** What a command may know of the process it runs in. */
export interface Surroundings {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** The one place where argv and the environment are read. `.env` of the working directory fills in what is not set. */
export function surroundings(): Surroundings {
  const cwd = process.cwd()
  return { argv: process.argv.slice(2), env: { ...readDotEnv(cwd), ...process.env }, cwd }
}

/** The variables of `.env` in this directory; none without the file. @throws BAD_CONFIG */
export function readDotEnv(cwd: string): Record<string, string> {
  const path = join(cwd, '.env')
  if (!existsSync(path)) return {}
  try {
    return parseEnv(readFileSync(path))
  } catch (cause) {
    throw new TickwireError('BAD_CONFIG', '.env cannot be read', {
      hint: 'Check its permissions.',
      cause,
    })
  }
}

export interface Keys {
  readonly key: string
  readonly secret: string
}

export interface Config extends Settings {
  /** Alpaca's keys, where both are set. */
  readonly alpacaKeys: Keys | undefined
  /** The other vendors' keys, of those that are set. */
  readonly vendorKeys: Readonly<Partial<Record<keyof typeof VENDOR_KEYS, string>>>
  /** What `${NAME}` in the file of a vendor stands for. */
  readonly variables: Surroundings['env']
  /** Where paths in the settings begin. */
  readonly cwd: string
  /** The settings of each feed, where `feeds` names them; none for the one that `provider` names, or nobody. */
  readonly each: readonly FeedConfig[]
  /** What `network` comes to, with the environment's proxies and the certificates themselves. */
  readonly reachedBy: NetworkOptions
}

/** One of several feeds. */
export interface FeedConfig {
  /** Its name on every event. @default the provider's id */
  readonly source: string | undefined
  /** As if it were the only one. */
  readonly config: Config
}

export interface LoadOptions {
  /** Settings given as flags; they win. */
  readonly flags?: DeepPartial<RawSettings>
  /** Path of a configuration file, instead of looking for one. */
  readonly file?: string | undefined
}

type DeepPartial<T> = {
  readonly [K in keyof T]?: T[K] extends object | undefined ? DeepPartial<T[K]> : T[K]
}

/**
 * The settings in force: flags over environment over file over defaults.
 * @throws BAD_CONFIG for a file or variable that is wrong, BAD_OPTION for a flag, MISSING_KEY for half a pair of keys
 */
export function loadConfig({ env, cwd }: Surroundings, options: LoadOptions = {}): Config {
  const layers = [
    readFile(cwd, options.file ?? filled(env.TICKWIRE_CONFIG)),
    readEnvironment(env),
    check(options.flags ?? {}, 'BAD_OPTION', path => `--${String(path.at(-1))}`),
  ]
  const raw = layers.reduce<Layer>(layOver, {})
  const settings = configSchema.parse(raw)
  const reachedBy = networkOptions(settings.network, env, cwd)
  const keys = { alpacaKeys: alpacaKeys(env), vendorKeys: vendorKeys(env) }
  const common = { ...keys, reachedBy, variables: env, cwd }
  const each = (raw.feeds ?? []).map(feed => ({
    source: feed.source,
    config: { ...configSchema.parse(ofOne(raw, feed)), ...common, each: [] },
  }))
  // One feed in the long form is as good as in the short one, for every command.
  const [only] = each
  return only && each.length === 1 ? { ...only.config, each } : { ...settings, ...common, each }
}

type Layer = { readonly provider?: string; readonly feeds?: readonly Own[] }
type Own = { readonly provider: string; readonly source?: string }

/** The settings of one of several feeds: its own over those of all. */
function ofOne({ feeds: _, ...all }: Layer, { source: __, ...own }: Own): Layer {
  return merge(all, own)
}

/**
 * A layer over a lower one. A provider named in it stands for the feed of that provider there, with what is set for it, if
 * there is just one; else, as feeds do, for all that the lower one says about feeds.
 */
function layOver(low: Layer, high: Layer): Layer {
  if (high.feeds) {
    const { provider: _, feeds: __, ...rest } = low
    return merge(rest, high)
  }
  if (high.provider === undefined || !low.feeds) return merge(low, high)
  const meant = low.feeds.filter(({ provider }) => provider === high.provider)
  const { feeds: _, ...rest } = low
  return merge(meant.length === 1 ? ofOne(low, meant[0]!) : rest, high)
}

function vendorKeys(env: Surroundings['env']): Config['vendorKeys'] {
  const set = Object.entries(VENDOR_KEYS).flatMap(([name, variables]) => {
    const [key] = variables.flatMap(variable => filled(env[variable]) ?? [])
    return key === undefined ? [] : [[name, key]]
  })
  return Object.fromEntries(set)
}

const alpacaKeys = (env: Surroundings['env']) => keyPair(env, ALPACA_KEY, ALPACA_SECRET)

/** The one account of `tickwire sim`; none: any key will do. @throws MISSING_KEY for half a pair */
export const simKeys = (env: Surroundings['env']) => keyPair(env, SIM_KEY, SIM_SECRET)

function keyPair(env: Surroundings['env'], keyName: string, secretName: string): Keys | undefined {
  const key = filled(env[keyName])
  const secret = filled(env[secretName])
  if (key === undefined && secret === undefined) return undefined
  if (key !== undefined && secret !== undefined) return { key, secret }
  const missing = key === undefined ? keyName : secretName
  const present = key === undefined ? secretName : keyName
  const byInit = keyName === ALPACA_KEY ? ', or run `tickwire init`' : ''
  throw new TickwireError('MISSING_KEY', `${present} is set, ${missing} is not`, {
    hint: `Set ${missing} in .env${byInit}.`,
  })
}

/** A variable that is set to nothing is as good as not set: `.env.example` copied has many of these. */
const filled = (value: string | undefined) => (value === '' ? undefined : value)

function readEnvironment(env: Surroundings['env']): object {
  const variables = new Map(LEAVES.map(leaf => [variableOf(leaf.path), leaf]))
  const raw: Tree = {}
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('TICKWIRE_') || !text || OTHER_VARIABLES.test(name)) continue
    const leaf = variables.get(name)
    if (!leaf) {
      throw new TickwireError('BAD_CONFIG', `environment: unknown variable ${name}`, {
        hint: didYouMean(name, [...variables.keys()]),
      })
    }
    place(raw, leaf.path, AS[leaf.type](text))
  }
  return check(raw, 'BAD_CONFIG', path => variableOf(path.filter(key => typeof key === 'string')))
}

/** How the text of a variable is read; what is not of the form stays text, for the schema to judge. */
const AS: Record<Leaf['type'], (text: string) => unknown> = {
  number: text => asNumber(text),
  list: text => asList(text),
  text: text => text,
  json: text => {
    try {
      return JSON.parse(text)
    } catch {
      // Told with its name, as what else is wrong in it.
      return text
    }
  },
}

/** `simulated.rate` → `TICKWIRE_SIMULATED_RATE`. */
export function variableOf(path: readonly PropertyKey[]): string {
  return `TICKWIRE_${path.join('_').toUpperCase()}`
}

/** A number where the text is one; anything else stays as it is, for the schema to judge. */
export function asNumber(text: string): number | string {
  const trimmed = text.trim()
  if (/^(inf(inity)?|max)$/i.test(trimmed)) return 'max'
  return /^-?\d+(\.\d+)?(e\d+)?$/i.test(trimmed) ? Number(trimmed) : text
}

export const asList = (text: string): string[] => text.split(/[\s,]+/).filter(part => part !== '')

function readFile(cwd: string, given: string | undefined): object {
  const found = CONFIG_FILES.filter(name => existsSync(join(cwd, name)))
  if (given === undefined && found.length > 1) {
    throw new TickwireError('BAD_CONFIG', `both ${found.join(' and ')} are there`, {
      hint: 'Keep one of them, or name it with --config.',
    })
  }
  const file = given ?? found[0]
  if (file === undefined) return {}
  let text: string
  try {
    text = readFileSync(resolve(cwd, file), 'utf8')
  } catch (cause) {
    throw new TickwireError('BAD_CONFIG', `${file} cannot be read`, {
      hint: 'Check the path, or run `tickwire init` for a file to start from.',
      cause,
    })
  }
  return parseConfig(text, basename(file))
}

/**
 * A configuration file's text, checked. JSON is read as the subset of YAML it is.
 * @throws BAD_CONFIG naming file and line
 */
export function parseConfig(text: string, file: string): object {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [fault] = document.errors
  if (fault) {
    const line = fault.linePos?.[0].line ?? 1
    throw new TickwireError('BAD_CONFIG', `${file}:${line}: ${fault.message.split('\n')[0]}`, {
      hint: 'Indent with spaces, and write `key: value` with a space after the colon.',
    })
  }
  const raw: unknown = document.toJS() ?? {}
  return check(raw, 'BAD_CONFIG', (path, unknownKey) => {
    const line = lineOf(document, unknownKey === undefined ? path : [...path, unknownKey], lines)
    const name = unknownKey === undefined && path.length > 0 ? ` ${path.join('.')}` : ''
    return `${file}:${line}:${name}`
  })
}

/** The line a key stands on, or where it is missing, the nearest that is there. */
function lineOf(
  document: ReturnType<typeof parseDocument>,
  path: readonly PropertyKey[],
  lines: LineCounter,
): number {
  let node: unknown = document.contents
  let offset = 0
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find(item => isScalar(item.key) && item.key.value === key)
      if (!isScalar(pair?.key)) break
      offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(key)]
      if (!isNode(node)) break
      offset = node.range?.[0] ?? offset
    } else break
  }
  return lines.linePos(offset).line
}

type Tree = { [key: string]: unknown }
type Where = (path: readonly PropertyKey[], unknownKey?: string) => string

/** Holds a layer against the schema; says the first thing wrong, and where. Returns the layer as it was. */
function check(raw: unknown, code: ErrorCode, where: Where): object {
  const result = configSchema.safeParse(raw)
  if (result.success) {
    const { provider, feeds } = result.data
    if (provider === undefined || feeds === undefined) return raw as object
    throw new TickwireError(code, `${where(['provider'])} and feeds exclude each other`, {
      hint: 'Keep feeds, with a list of providers, or provider, which is the short form of one.',
    })
  }
  const issue = result.error.issues[0]!
  throw describe(issue, raw, code, where)
}

function describe(
  issue: z.core.$ZodIssue,
  raw: unknown,
  code: ErrorCode,
  where: Where,
): TickwireError {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!
    const secret = /key|secret|token|password/i.test(key)
    return new TickwireError(
      code,
      `${where(issue.path, key)} unknown key ${[...issue.path, key].join('.')}`,
      {
        hint: secret
          ? `Keys do not belong in this file: set ${ALPACA_KEY} and ${ALPACA_SECRET} in .env.`
          : didYouMean(key, keysAt(issue.path)),
      },
    )
  }
  const value = issue.path.reduce<unknown>(
    (tree, key) => (tree as Tree | undefined)?.[key as string],
    raw,
  )
  const place = where(issue.path)
  if (issue.code === 'invalid_value') {
    const known = issue.values.map(String)
    return new TickwireError(code, `${place} cannot be ${JSON.stringify(value)}`, {
      hint: didYouMean(String(value), known),
    })
  }
  const text = issue.message.replace(/^Invalid input: /, '')
  return new TickwireError(code, `${place} is ${JSON.stringify(value)}: ${text}`, {
    hint: 'tickwire.config.example.yaml shows every key with its values.',
  })
}

function place(tree: Tree, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path
  if (rest.length === 0) tree[key!] = value
  else place((tree[key!] ??= {}) as Tree, rest, value)
}

function merge(low: object, high: object): object {
  const result: Tree = { ...low }
  for (const [key, value] of Object.entries(high)) {
    if (value === undefined) continue
    const below = result[key]
    result[key] = isTree(value) && isTree(below) ? merge(below, value) : value
  }
  return result
}

const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
