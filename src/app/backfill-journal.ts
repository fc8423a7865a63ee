import { appendFile, mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TickwireError } from '../base/errors.ts'
import type { Adjustment, EventType, Interval } from '../market/events.ts'

/** What was asked for, of one symbol. */
export interface Wanted {
  readonly source: string
  readonly kind: EventType
  readonly symbol: string
  /** Of bars. */
  readonly interval?: Interval
  readonly adjustment?: Adjustment
}

/** A stretch of venue time, epoch ms, both ends inclusive. */
export interface Span {
  readonly from: number
  readonly to: number
}

/** Something that was asked, and came whole. */
export interface Done extends Wanted, Span {
  readonly events: number
}

const FILE = 'backfill.ndjson'
const HEAD = { format: 'tickwire backfill', version: 1 }

/**
 * What has been backfilled, in the folder of the store it went to: a line each, written when it is stored, so that a
 * backfill that was ended goes on behind it. A line that a kill has cut off counts for nothing.
 */
export class BackfillJournal {
  readonly #path: string
  readonly #done = new Map<string, Span[]>()

  private constructor(path: string) {
    this.#path = path
  }

  /** @throws STORE_TOO_NEW when a newer tickwire wrote it */
  static async open(store: string): Promise<BackfillJournal> {
    await mkdir(store, { recursive: true })
    const path = join(store, FILE)
    const journal = new BackfillJournal(path)
    let text = ''
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    const [head = '', ...lines] = text.split('\n')
    if (head === '') await appendFile(path, `${JSON.stringify(HEAD)}\n`)
    else journal.#check(head)
    for (const line of lines) journal.#read(line)
    // Behind a line that was cut off the next would be cut off too.
    if (text !== '' && !text.endsWith('\n')) await appendFile(path, '\n')
    return journal
  }

  /** Whether all of a stretch has come. */
  has(wanted: Wanted, { from, to }: Span): boolean {
    let at = from
    const spans = this.#done.get(keyOf(wanted)) ?? []
    for (;;) {
      const next = spans
        .filter(span => span.from <= at)
        .reduce((end, span) => Math.max(end, span.to), at - 1)
      if (next >= to) return true
      if (next < at) return false
      at = next + 1
    }
  }

  /** Once it is stored. */
  async add(done: readonly Done[]): Promise<void> {
    if (done.length === 0) return
    const file = await open(this.#path, 'a')
    try {
      await file.write(done.map(one => `${JSON.stringify(one)}\n`).join(''))
      await file.sync()
    } finally {
      await file.close()
    }
    for (const one of done) this.#know(one)
  }

  #know(one: Wanted & Span): void {
    const key = keyOf(one)
    const span = { from: one.from, to: one.to }
    const spans = this.#done.get(key)
    if (spans) spans.push(span)
    else this.#done.set(key, [span])
  }

  #read(line: string): void {
    let value: Partial<Done>
    try {
      value = JSON.parse(line) as Partial<Done>
    } catch {
      // Cut off by a kill: it is asked again.
      return
    }
    if (typeof value?.from === 'number' && typeof value.to === 'number') this.#know(value as Done)
  }

  #check(head: string): void {
    const known = head.startsWith('{"format":"tickwire backfill","version":')
    const version = known ? Number.parseInt(head.split('"version":')[1] ?? '', 10) : Number.NaN
    if (version === HEAD.version) return
    throw new TickwireError(
      'STORE_TOO_NEW',
      `${this.#path} was not written by this version of tickwire`,
      {
        hint: 'Update tickwire, or move the file away: what is stored then is asked again and not added twice.',
      },
    )
  }
}

function keyOf({ source, kind, symbol, interval, adjustment }: Wanted): string {
  return JSON.stringify([source, kind, symbol, ...(kind === 'bar' ? [interval, adjustment] : [])])
}
