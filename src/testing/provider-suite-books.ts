import assert from 'node:assert/strict'
import { seededRandom } from '../base/random.ts'
import type { LiveBook } from '../feed/live-book.ts'
import { createEvent, type Level, type MarketEvent } from '../market/events.ts'
import type { FaultOptions } from './faults.ts'
import {
  ANSWERED_MS,
  Course,
  type ProviderTraits,
  type SuiteCheck,
  whyNot,
} from './provider-suite-kit.ts'

type BookTraits = NonNullable<ProviderTraits['books']>

/** How long a book may take to be whole again, ms. */
const WHOLE_MS = 60_000

/** Books: whole, right, and when something is lost not shown until they are right again. */
export function booksChecks(traits: ProviderTraits): SuiteCheck[] {
  const { books } = traits
  if (!books) return [{ title: 'books', excluded: 'traits.books: it has none' }]
  const checks: SuiteCheck[] = []
  const add = (title: string, body: (course: BookCourse) => Promise<void>) => {
    const run = async () => {
      const course = new BookCourse(traits, books)
      await course.changes(20)
      await course.open()
      await body(course)
      course.live.close()
      await course.course.end()
    }
    checks.push({ title, run })
  }

  add('a book is whole when it is there, and follows the venue', async course => {
    course.same()
    for (let i = 0; i < 50; i++) {
      await course.changes(1)
      course.same()
    }
    assert.equal(course.course.count('gap'), 0)
  })

  const unseen = books.checked
    ? undefined
    : 'traits.books.checked: no number or checksum tells of it'
  const faults: readonly (readonly [FaultOptions, excluded?: string | undefined])[] = [
    [{ fault: 'cut' }],
    [{ fault: 'restart', for: '4s' }],
    [{ fault: 'close', code: 1_001 }],
    [{ fault: 'duplicate', times: 2 }],
    [{ fault: 'corrupt-json' }],
    [{ fault: 'lost' }, unseen],
    [{ fault: 'lost', times: 3 }, unseen],
    [{ fault: 'reorder' }, unseen],
    [{ fault: 'bad-checksum' }, unseen],
    [{ fault: 'mute', for: '8s' }, unseen],
  ]
  for (const [fault, blind] of faults) {
    const isLoss = fault.fault !== 'duplicate' && fault.fault !== 'bad-checksum'
    const times = 'times' in fault && fault.times ? `, ${fault.times} times` : ''
    const title = `a book after a fault is never wrong, and then right (${fault.fault}${times})`
    const excluded = blind ?? whyNot(traits, fault)
    if (excluded !== undefined) {
      checks.push({ title, excluded })
      continue
    }
    add(title, async it => {
      it.course.inject(fault)
      // Longer than any of them lasts.
      await it.changes(100)
      await it.until()
      it.same()
      assert.deepEqual(it.wrong, [])
      if (isLoss) assert.ok(it.snapshots > 1, 'it began anew')
      const told = it.course.count('gap') + it.course.count('disconnected')
      if (fault.fault !== 'duplicate') assert.ok(told > 0, 'readers are told of the break')
      await it.changes(10)
      it.same()
    })
  }
  return checks
}

/** A course with a book that moves by chance, and all the states it has ever had. */
class BookCourse {
  readonly course: Course
  /** States shown that the venue's book never had. */
  readonly wrong: string[] = []
  snapshots = 0
  live!: LiveBook
  readonly #bids = new Map<number, number>()
  readonly #asks = new Map<number, number>()
  readonly #depth: number | undefined
  readonly #whole: boolean
  readonly #random = seededRandom(11)
  readonly #states = new Set<string>()

  constructor(traits: ProviderTraits, { depth, whole = false }: BookTraits) {
    this.course = new Course(traits)
    this.#depth = depth
    this.#whole = whole
    this.#states.add(this.#truth())
  }

  async open(): Promise<void> {
    const { feed, symbol, clock } = this.course
    this.live = feed.book(symbol)
    this.live.on('change', ({ synced }) => {
      if (synced) this.#look()
    })
    feed.on('book', ({ snapshot }) => {
      if (snapshot) this.snapshots++
    })
    await clock.advance(ANSWERED_MS)
    await this.until()
  }

  /** So many changes of some levels, a tenth of a second apart. */
  async changes(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.course.venue.deliver([this.#change()])
      await this.course.clock.advance(100)
    }
  }

  /** Time goes on until the book is whole; the last of the venue's words is always a change. */
  async until(): Promise<void> {
    for (let ms = 0; ms < WHOLE_MS && !this.live.book.synced; ms += 1_000) {
      await this.changes(1)
      await this.course.clock.advance(900)
    }
    await this.changes(1)
  }

  same(): void {
    assert.equal(this.live.book.synced, true, this.live.book.unsynced?.message)
    assert.equal(this.#shown(), this.#truth())
  }

  #look(): void {
    const shown = this.#shown()
    if (!this.#states.has(shown)) this.wrong.push(shown)
  }

  #change(): MarketEvent {
    const { symbol, clock } = this.course
    const side = (levels: Map<number, number>, base: number, sign: number): Level[] =>
      Array.from({ length: 1 + Math.floor(this.#random() * 3) }, () => {
        const price = base + sign * (1 + Math.floor(this.#random() * 15))
        const size = this.#random() < 0.3 ? 0 : 1 + Math.floor(this.#random() * 100)
        if (size > 0) levels.set(price, size)
        else levels.delete(price)
        return [price, size]
      })
    const snapshot = this.#bids.size + this.#asks.size === 0
    const bids = side(this.#bids, 1_000, -1)
    const asks = side(this.#asks, 1_000, 1)
    this.#states.add(this.#truth())
    const timestamp = Math.floor(clock.now())
    const fields = { type: 'book', symbol, source: 'venue', timestamp } as const
    if (this.#whole) {
      const [all, others] = JSON.parse(this.#truth()) as [Level[], Level[]]
      return createEvent({ ...fields, bids: all, asks: others, snapshot: true })
    }
    return createEvent({
      ...fields,
      // A book begins with all of it.
      ...{ bids: unique(bids), asks: unique(asks), snapshot },
    })
  }

  #shown(): string {
    const { book } = this.live
    return JSON.stringify([book.bids(this.#depth), book.asks(this.#depth)])
  }

  #truth(): string {
    const best = (levels: Map<number, number>, sign: number) =>
      [...levels].sort(([a], [b]) => sign * (a - b)).slice(0, this.#depth)
    return JSON.stringify([best(this.#bids, -1), best(this.#asks, 1)])
  }
}

/** Each price once, with its last size. */
const unique = (levels: readonly Level[]): Level[] => [...new Map(levels)]
