import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { didYouMean } from '../../base/suggest.ts'
import { SCOPES, type Scope } from '../../gateway/context.ts'
import {
  createKey,
  isInForce,
  type KeyRecord,
  type Quotas,
  readKeys,
  revokeKey,
} from '../../gateway/keys.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { say, screenOf } from '../console.ts'
import { Output } from '../output.ts'
import { shortPath } from '../recording.ts'
import { keysFile } from '../serving.ts'
import { TablePrinter } from '../table.ts'

export interface KeysFlags {
  readonly scopes?: readonly Scope[]
  readonly symbols?: number
  readonly connections?: number
  readonly requests?: number
  /** ms */
  readonly expires?: number
  readonly data?: string
  readonly config?: string
  readonly json?: boolean
}

/** Reads `read,history`. @throws BAD_OPTION */
export function parseScopes(text: string): readonly Scope[] {
  const words = text.split(/[\s,]+/).filter(word => word !== '')
  const wrong = words.find(word => !SCOPES.some(scope => scope === word))
  if (wrong === undefined && words.length > 0) return words as Scope[]
  throw new TickwireError('BAD_OPTION', `--scopes cannot be ${JSON.stringify(text)}`, {
    hint: wrong === undefined ? `Any of ${SCOPES.join(', ')}.` : didYouMean(wrong, SCOPES),
  })
}

/** `tickwire keys create`: prints the key, this once. */
export async function keysCreate(
  name: string,
  flags: KeysFlags,
  around: Surroundings,
): Promise<number> {
  const path = fileOf(flags, around)
  const { scopes, symbols, connections, requests, expires } = flags
  const quotas: Quotas = {
    ...(symbols !== undefined && { symbols }),
    ...(connections !== undefined && { connections }),
    ...(requests !== undefined && { requests }),
  }
  const { key, record } = await createKey(
    path,
    { name, ...(scopes && { scopes }), quotas, lifeMs: expires },
    systemClock(),
  )
  if (flags.json) await print(`${JSON.stringify({ key, ...shown(record) })}\n`)
  else {
    await print(`${key}\n`)
    say(
      `the key of ${name}, for ${record.scopes.join(', ')}: shown this once, kept as a hash in ${shortPath(path, around.cwd)}`,
    )
    say('  → send it as `Authorization: Bearer …`, or give it to tickwire/client as `key`')
  }
  return 0
}

/** `tickwire keys list` */
export async function keysList(flags: KeysFlags, around: Surroundings): Promise<number> {
  const path = fileOf(flags, around)
  const keys = readKeys(path).map(shown)
  if (flags.json) await print(keys.map(one => `${JSON.stringify(one)}\n`).join(''))
  else if (keys.length === 0)
    say(`no keys in ${shortPath(path, around.cwd)} yet: tickwire keys create NAME`)
  else {
    const names = ['name', 'id', 'state', 'scopes', 'quotas', 'created']
    const table = new TablePrinter(
      names.map(name => ({ name, type: 'VARCHAR' })),
      screenOf(around),
    )
    const rows = keys.map(({ name, id, scopes, quotas, createdAt, state }) => [
      ...[name, id, state, scopes.join(' '), quotaWords(quotas), createdAt.slice(0, 10)],
    ])
    await print(table.write(rows))
  }
  return 0
}

/** `tickwire keys revoke`: by name or id. */
export async function keysRevoke(
  which: string,
  flags: KeysFlags,
  around: Surroundings,
): Promise<number> {
  const record = await revokeKey(fileOf(flags, around), which, systemClock())
  if (flags.json) await print(`${JSON.stringify(shown(record))}\n`)
  else
    say(
      `${record.name} (${record.id}) opens nothing any more; a running gateway ends what it opened within 2 s`,
    )
  return 0
}

function fileOf(flags: KeysFlags, around: Surroundings): string {
  return keysFile(loadConfig(around, { file: flags.config }), flags.data, around)
}

/** All but the hash, which is nobody's business. */
function shown({ hash: _, ...record }: KeyRecord) {
  const { revokedAt, expiresAt } = record
  const isLive = isInForce({ ...record, hash: '' }, Date.now())
  const over = revokedAt ? `revoked ${revokedAt.slice(0, 10)}` : `ended ${expiresAt?.slice(0, 10)}`
  const state = isLive ? (expiresAt ? `until ${expiresAt.slice(0, 16)}Z` : 'in force') : over
  return { ...record, state }
}

const quotaWords = (quotas: Quotas) =>
  Object.entries(quotas)
    .map(([name, value]) => `${value} ${name}`)
    .join(', ')

async function print(text: string): Promise<void> {
  const output = new Output(1, error => {
    if (error) throw error
  })
  output.put(text)
  await output.flush()
}
