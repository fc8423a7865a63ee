import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { type Clock, sleep } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { takeLease } from '../base/lease.ts'
import { didYouMean } from '../base/suggest.ts'
import { SCOPES, type Scope } from './context.ts'

/*
 * Keys are `tw_<id>_<secret>`: the id is public and names the key in lists and logs; the secret is 32 random bytes. Only
 * the SHA-256 of the secret is kept: of 256 random bits no slower hash would make guessing any harder. The file is
 * written anew as a whole and moved into place, so that whoever reads it sees all of it or what was before.
 */

/** What a key may have at the same time; what is absent is as the gateway's own settings say. */
export interface Quotas {
  /** Symbols in one connection. */
  readonly symbols?: number | undefined
  /** Streams open at the same time: WebSockets and event streams. */
  readonly connections?: number | undefined
  /** Requests a second; twice as many may come at once. */
  readonly requests?: number | undefined
}

/** A key as it is kept: everything but the key. */
export interface KeyRecord {
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly quotas: Quotas
  /** ISO times. */
  readonly createdAt: string
  readonly expiresAt?: string | undefined
  readonly revokedAt?: string | undefined
  /** SHA-256 of the secret, base64url. */
  readonly hash: string
}

export interface NewKey {
  /** For people, unique among the keys in force. */
  readonly name: string
  /** @default read and history */
  readonly scopes?: readonly Scope[]
  readonly quotas?: Quotas
  /** Ends by itself after so long, ms. @default never */
  readonly lifeMs?: number | undefined
}

const VERSION = 1
const ID_LENGTH = 8
/** No letters that are taken for others. */
const ID_LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789'
const SECRET_BYTES = 32
const NAME = /^[\w.@ -]{1,64}$/
export const DEFAULT_SCOPES: readonly Scope[] = ['read', 'history']

/** A key inside any text, for refusing and for keeping it out of logs. */
export const KEY_PATTERN = /tw_[a-z0-9]{8}_[A-Za-z0-9_-]{43}/
const KEY = new RegExp(`^${KEY_PATTERN.source}$`)

const count = z.int().min(1).optional()
const recordSchema = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  scopes: z.array(z.enum(SCOPES)),
  quotas: z.object({ symbols: count, connections: count, requests: count }),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
  revokedAt: z.string().optional(),
  hash: z.string().length(43),
})
const fileSchema = z.object({ version: z.literal(VERSION), keys: z.array(recordSchema) })

/** All keys of a file, revoked ones too; none where there is no file. @throws KEYS_UNSAFE */
export function readKeys(path: string): readonly KeyRecord[] {
  let text: string
  try {
    mustBeOurs(path)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    if (error instanceof TickwireError) throw error
    throw unsafe(`${path} cannot be read: ${asError(error).message}`, error)
  }
  try {
    return fileSchema.parse(JSON.parse(text)).keys
  } catch (cause) {
    throw unsafe(`${path} is no file of keys`, cause)
  }
}

/** Whoever can write the file can make himself a key. */
function mustBeOurs(path: string): void {
  const { mode } = statSync(path)
  if (process.platform === 'win32' || (mode & 0o022) === 0) return
  throw new TickwireError('KEYS_UNSAFE', `other users may write ${path}`, {
    hint: `Take that away: chmod 600 ${path}; then look with \`tickwire keys list\` whether the keys are yours.`,
  })
}

function unsafe(message: string, cause?: unknown): TickwireError {
  return new TickwireError('KEYS_UNSAFE', message, {
    hint: 'Put back a copy of it, or move it away and make new keys with `tickwire keys create`.',
    cause,
  })
}

/**
 * Makes a key. The key itself is in the answer and nowhere else.
 * @throws BAD_OPTION for a name that is in use or no name, KEYS_UNSAFE
 */
export async function createKey(
  path: string,
  { name, scopes = DEFAULT_SCOPES, quotas = {}, lifeMs }: NewKey,
  clock: Clock,
): Promise<{ readonly key: string; readonly record: KeyRecord }> {
  if (!NAME.test(name) || name.trim() !== name) {
    throw new TickwireError('BAD_OPTION', `${JSON.stringify(name)} is no name for a key`, {
      hint: 'Use up to 64 letters, digits, spaces and . _ - @: who or what is to have it, as in "grafana".',
    })
  }
  const secret = randomBytes(SECRET_BYTES)
  const now = clock.now()
  return changed(path, clock, keys => {
    if (keys.some(one => one.name === name && isInForce(one, now))) {
      throw new TickwireError('BAD_OPTION', `there is a key named ${name} already`, {
        hint: `Choose another name, or take that one back first: tickwire keys revoke "${name}".`,
      })
    }
    const record: KeyRecord = {
      ...{ id: newId(keys), name, scopes: SCOPES.filter(scope => scopes.includes(scope)), quotas },
      createdAt: new Date(now).toISOString(),
      ...(lifeMs !== undefined && { expiresAt: new Date(now + lifeMs).toISOString() }),
      hash: hashOf(secret).toString('base64url'),
    }
    const key = `tw_${record.id}_${secret.toString('base64url')}`
    return { keys: [...keys, record], result: { key, record } }
  })
}

/** Ends a key, by its id or name: a running gateway lets go of whoever uses it within two seconds. @throws BAD_OPTION */
export async function revokeKey(path: string, which: string, clock: Clock): Promise<KeyRecord> {
  const now = clock.now()
  return changed(path, clock, keys => {
    const found = keys.find(one => one.id === which) ?? keys.find(isNamed(which, now))
    if (!found) {
      const live = keys.filter(one => isInForce(one, now)).map(one => one.name)
      throw new TickwireError('BAD_OPTION', `there is no key ${which} in force`, {
        hint: live.length > 0 ? didYouMean(which, live) : 'There is none at all.',
      })
    }
    const result = { ...found, revokedAt: found.revokedAt ?? new Date(now).toISOString() }
    return { keys: keys.map(one => (one === found ? result : one)), result }
  })
}

const isNamed = (name: string, now: number) => (one: KeyRecord) =>
  one.name === name && isInForce(one, now)

/** Neither revoked nor over. */
export function isInForce({ revokedAt, expiresAt }: KeyRecord, now: number): boolean {
  return revokedAt === undefined && (expiresAt === undefined || Date.parse(expiresAt) > now)
}

/** The record of a key, whether or not it is in force; `undefined` for a key that is none of these. */
export function findKey(keys: readonly KeyRecord[], key: string): KeyRecord | undefined {
  if (!KEY.test(key)) return undefined
  const [, id] = key.split('_')
  const found = keys.find(one => one.id === id)
  const hash = hashOf(Buffer.from(key.slice(3 + ID_LENGTH + 1), 'base64url'))
  // Of an id that is not there the same work is done.
  const kept = Buffer.from(found?.hash ?? NOBODY, 'base64url')
  return timingSafeEqual(hash, kept) ? found : undefined
}

const hashOf = (secret: Buffer) => createHash('sha256').update(secret).digest()
const NOBODY = Buffer.alloc(32).toString('base64url')

function newId(keys: readonly KeyRecord[]): string {
  for (;;) {
    const id = Array.from({ length: ID_LENGTH }, () => ID_LETTERS[randomInt(ID_LETTERS.length)])
    if (!keys.some(one => one.id === id.join(''))) return id.join('')
  }
}

/** How long to wait for another process that changes the file, ms. */
const WAIT_MS = 5_000
const AGAIN_MS = 50

/** Changes the file; one process at a time, so that no change of another is lost. */
async function changed<T>(
  path: string,
  clock: Clock,
  change: (keys: readonly KeyRecord[]) => { keys: readonly KeyRecord[]; result: T },
): Promise<T> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const until = clock.now() + WAIT_MS
  for (;;) {
    const lease = takeLease([`${path}.lease`], clock)
    if (!('heldBy' in lease)) {
      try {
        const { keys, result } = change(readKeys(path))
        write(path, keys)
        return result
      } finally {
        lease.release()
      }
    }
    if (clock.now() >= until) {
      throw unsafe(`process ${lease.heldBy} has been changing ${path} for seconds`)
    }
    await sleep(clock, AGAIN_MS)
  }
}

function write(path: string, keys: readonly KeyRecord[]): void {
  const file = openSync(`${path}.new`, 'w', 0o600)
  try {
    writeSync(file, `${JSON.stringify({ version: VERSION, keys }, undefined, 2)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.new`, path)
}
