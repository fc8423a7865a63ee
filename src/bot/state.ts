import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import type { Position } from '../flow/contracts.ts'
import type { DiarySnapshot } from './diary.ts'
import type { LoopSnapshot } from './loop.ts'

const VERSION = 1

/** What a bot has saved: all it knows, and the place on the tape at which it knew that. */
export interface SavedBot {
  readonly version: typeof VERSION
  readonly bot: string
  readonly strategy: string
  /** `paper`, or the broker's account: positions of one are not those of another. */
  readonly account: string
  readonly params: unknown
  readonly symbols: readonly string[]
  readonly position: Position
  readonly snapshot: LoopSnapshot
  readonly diary: DiarySnapshot
}

/** Whose state a file is to be. */
export type BotIdentity = Pick<SavedBot, 'bot' | 'strategy' | 'account'>

const SCHEMA = z.looseObject({
  ...{ version: z.literal(VERSION), bot: z.string(), strategy: z.string(), account: z.string() },
  params: z.unknown(),
  symbols: z.array(z.string()),
  position: z.object({ tape: z.string(), seq: z.number() }),
  snapshot: z.looseObject({ now: z.number(), orderCount: z.number(), draws: z.number() }),
  diary: z
    .looseObject({ count: z.number(), rows: z.array(z.looseObject({ n: z.number() })) })
    .default({ count: 0, rows: [] }),
})

/** Writes it beside its place, onto the disk, and then into its place: there is always a whole one. */
export function saveBot(file: string, saved: SavedBot): void {
  mkdirSync(dirname(file), { recursive: true })
  const made = `${file}.new`
  const handle = openSync(made, 'w', 0o600)
  try {
    // Whole, however little of it the system takes at a time.
    writeFileSync(handle, JSON.stringify(saved))
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(made, file)
}

/** What was saved last; `undefined` where nothing was. @throws BAD_STATE */
export function loadBot(file: string, identity?: BotIdentity): SavedBot | undefined {
  if (!existsSync(file)) return undefined
  const saved = parse(file)
  for (const what of identity ? (['bot', 'strategy', 'account'] as const) : []) {
    if (saved[what] === identity![what]) continue
    throw bad(file, `it is of the ${what} ${saved[what]}, not ${identity![what]}`)
  }
  return saved
}

function parse(file: string): SavedBot {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw bad(file, 'it is damaged', cause)
  }
  const { version } = (content ?? {}) as { version?: unknown }
  if (typeof version === 'number' && version > VERSION) {
    throw bad(file, `it is of version ${version}, and this tickwire knows ${VERSION}`)
  }
  const result = SCHEMA.safeParse(content)
  if (!result.success) throw bad(file, 'it is damaged', result.error)
  return result.data as unknown as SavedBot
}

function bad(file: string, why: string, cause?: unknown): TickwireError {
  return new TickwireError('BAD_STATE', `the state in ${file} cannot be used: ${why}`, {
    hint: 'Give the bot another --name, or move the file away to begin anew.',
    cause,
  })
}
