import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TickwireError } from '../base/errors.ts'
import type { EventType } from '../market/events.ts'
import { replaceFile } from './files.ts'

const FORMAT = 'tickwire store'
const VERSION = 1
const FILE = 'manifest.json'

/** A file of sealed rows: some or all of one kind on one day. */
export interface Part {
  /** Below the store's folder, with forward slashes. */
  readonly path: string
  readonly kind: EventType
  /** UTC, by venue time: `2025-06-02`. */
  readonly day: string
  readonly rows: number
  readonly symbols: number
  /** Venue times, RFC 3339 with nine digits. */
  readonly first: string
  readonly last: string
  readonly bytes: number
  /** All rows of the kind and day that stand on a tape up to this number are in here or in an older part. */
  readonly covers: { readonly [tape: string]: number }
  /**
   * Of one with rows that came from elsewhere: what stood on a tape up to this number was looked at when they came, and is
   * none of them. What comes behind it may be one of them come again.
   */
  readonly beside?: { readonly [tape: string]: number }
}

/** A file whose rows stand in a newer one. Questions that began before may still be reading it. */
export interface Retired {
  readonly path: string
  /** Epoch ms. */
  readonly at: number
}

/** What is sealed. This file and those it names are the truth for their days. */
export interface Manifest {
  /** Number of the next part. */
  readonly next: number
  readonly parts: readonly Part[]
  readonly retired: readonly Retired[]
}

export const EMPTY: Manifest = { next: 1, parts: [], retired: [] }

/** `undefined` when there is none. @throws STORE_TOO_NEW STORE_DAMAGED */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const path = join(folder, FILE)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const { format, version, next, parts, retired = [] } = parse(path, text)
  if (format !== FORMAT || typeof version !== 'number') throw damaged(path)
  if (version > VERSION) {
    throw new TickwireError(
      'STORE_TOO_NEW',
      `${path} was written by a newer tickwire (form ${version}; this one reads up to ${VERSION})`,
      { hint: 'Update tickwire, or use another folder.' },
    )
  }
  if (!Number.isSafeInteger(next) || !Array.isArray(parts) || !parts.every(isPart)) {
    throw damaged(path)
  }
  if (!Array.isArray(retired) || !retired.every(isRetired)) throw damaged(path)
  return { next: next as number, parts, retired }
}

export async function writeManifest(
  folder: string,
  { next, parts, retired }: Manifest,
): Promise<void> {
  const lines = parts.map(part => `    ${JSON.stringify(part)}`).join(',\n')
  const list = lines ? `[\n${lines}\n  ]` : '[]'
  const old = retired.length > 0 ? `,\n  "retired": ${JSON.stringify(retired)}` : ''
  const text = `{\n  "format": "${FORMAT}",\n  "version": ${VERSION},\n  "next": ${next},\n  "parts": ${list}${old}\n}\n`
  await replaceFile(join(folder, FILE), text)
}

function parse(path: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (cause) {
    throw damaged(path, cause)
  }
  throw damaged(path)
}

const PATH = /^days\/[a-z]+\/\d{4}-\d\d-\d\d\/[^/\\]+\.parquet$/

function isPart(value: unknown): value is Part {
  const { path, kind, day, rows, covers } = (value ?? {}) as Record<string, unknown>
  return (
    typeof path === 'string' &&
    PATH.test(path) &&
    typeof kind === 'string' &&
    typeof day === 'string' &&
    typeof rows === 'number' &&
    typeof covers === 'object' &&
    covers !== null
  )
}

function isRetired(value: unknown): value is Retired {
  const { path, at } = (value ?? {}) as Record<string, unknown>
  return typeof path === 'string' && PATH.test(path) && typeof at === 'number'
}

function damaged(path: string, cause?: unknown): TickwireError {
  return new TickwireError('STORE_DAMAGED', `${path} is not a manifest of a store`, {
    cause,
    hint: 'Move it away: it is made anew from the Parquet files beside it.',
  })
}

const DAY_MS = 86_400_000

/** The UTC day of a time, epoch ms. */
export function dayAt(ms: number): string {
  return new Date(Math.floor(ms / DAY_MS) * DAY_MS).toISOString().slice(0, 10)
}

/** When a UTC day begins, epoch ms. */
export function startOf(day: string): number {
  return Date.parse(`${day}T00:00:00Z`)
}
