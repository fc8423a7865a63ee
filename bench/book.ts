/**
 * Order books at 260, 820 and 2,600 levels: updates of one level, and reads of the ten best of both sides, against
 * tardis-dev's.
 *
 * CPU time; one library and depth per process, in turn within each round, medians over rounds. Half of all updates are among
 * the best levels, three in ten remove a level, the middle drifts. The snapshot before them is not counted. Both get the same updates, made before in the form each takes,
 * and have to end with the same book.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '../src/base/random.ts'
import { OrderBook } from '../src/derive/order-book.ts'
import { Book, type Level } from '../src/market/events.ts'
import { peer } from './peers.ts'
import { median, type Row, report, spread } from './table.ts'

/** Levels on both sides together. */
const DEPTHS = [260, 820, 2_600]
/** Few enough to stay in the caches, as what has just been decoded does. */
const UPDATES = 20_000
const READS = 100_000
const SAMPLES = 25
const TOP = 10
/** The least ratio promised. */
const LEAST = { update: 2.5, read: 5 }

interface Update {
  readonly bids: readonly Level[]
  readonly asks: readonly Level[]
  readonly snapshot: boolean
}

/** A library at work on updates in its own form. */
interface Subject {
  /** A new book with the first of the updates, a snapshot. */
  begin(): void
  /** Applies the others to it. */
  run(): void
  /** Reads the top of both sides; returns a sum, so that nothing of it can be left out. */
  read(): number
  /** The same as arrays of numbers, where the library has that. */
  levels?(): number
  /** The whole book at the end, best first. */
  end(): { readonly bids: Level[]; readonly asks: Level[] }
}

interface TardisLevel {
  readonly price: number
  readonly amount: number
}
interface TardisBook {
  update(change: { bids: TardisLevel[]; asks: TardisLevel[]; isSnapshot: boolean }): void
  bids(): Iterable<TardisLevel>
  asks(): Iterable<TardisLevel>
}

const SUBJECTS: Record<string, (updates: readonly Update[]) => Subject> = {
  tickwire: updates => {
    const events = updates.map(
      ({ bids, asks, snapshot }, i) =>
        new Book('BTC/USD', 'bench', i, 0, i, 0, bids, asks, snapshot, undefined, undefined),
    )
    let book: OrderBook
    const into = new Float64Array(2 * TOP)
    const sum = (count: number) => {
      let all = 0
      for (let i = 0; i < 2 * count; i++) all += into[i]!
      return all
    }
    const add = (levels: readonly Level[]) => {
      let all = 0
      for (let i = 0; i < levels.length; i++) all += levels[i]![0] + levels[i]![1]
      return all
    }
    return {
      begin() {
        book = new OrderBook('BTC/USD', 'bench')
        book.apply(events[0]!)
      },
      run() {
        for (let i = 1; i < events.length; i++) book.apply(events[i]!)
        if (!book.synced) throw new Error(book.unsynced!.message)
      },
      read: () => sum(book.readBids(into)) + sum(book.readAsks(into)),
      levels: () => add(book.bids(TOP)) + add(book.asks(TOP)),
      end: () => ({ bids: book.bids(), asks: book.asks() }),
    }
  },
  'tardis-dev': updates => {
    const form = (levels: readonly Level[]) => levels.map(([price, amount]) => ({ price, amount }))
    const changes = updates.map(({ bids, asks, snapshot }) => ({
      ...{ bids: form(bids), asks: form(asks), isSnapshot: snapshot },
    }))
    const { OrderBook: Theirs } = peer<{ OrderBook: new () => TardisBook }>('tardis-dev')
    let book: TardisBook
    const sum = (levels: Iterable<TardisLevel>) => {
      let [all, count] = [0, 0]
      for (const { price, amount } of levels) {
        all += price + amount
        if (++count === TOP) break
      }
      return all
    }
    const list = (levels: Iterable<TardisLevel>) =>
      [...levels].map(({ price, amount }): Level => [price, amount])
    return {
      begin() {
        book = new Theirs()
        book.update(changes[0]!)
      },
      run() {
        for (let i = 1; i < changes.length; i++) book.update(changes[i]!)
      },
      read: () => sum(book.bids()) + sum(book.asks()),
      end: () => ({ bids: list(book.bids()), asks: list(book.asks()) }),
    }
  },
}
const NAMES = Object.keys(SUBJECTS)

interface Measured {
  readonly update: number
  readonly read: number
  readonly levels?: number
  readonly digest: string
}

export async function main({
  rounds = 3,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const rows: Row[] = []
  for (const depth of DEPTHS) {
    const results = new Map<string, Measured[]>(NAMES.map(name => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const name of NAMES) results.get(name)!.push(inProcess(name, depth))
    }
    if (new Set([...results.values()].flat().map(({ digest }) => digest)).size !== 1) {
      throw new Error(`the books of ${depth} levels differ`)
    }
    const [ours, theirs] = [results.get('tickwire')!, results.get('tardis-dev')!]
    const row = (what: string, values: number[], peers: number[], budget?: number): Row => {
      const [value, peerValue] = [median(values), median(peers)]
      return {
        ...{ name: `${depth} levels: ${what}`, unit: 'ns', value, peer: 'tardis-dev', peerValue },
        ...{ ratio: peerValue / value, spread: spread(values), rounds },
        ...(budget !== undefined && { budget }),
      }
    }
    const [updates, reads] = [theirs.map(it => it.update), theirs.map(it => it.read)]
    const lists = ours.map(it => it.levels!)
    rows.push(
      row(
        'update',
        ours.map(it => it.update),
        updates,
        LEAST.update,
      ),
      row(
        'top 10, readBids and readAsks',
        ours.map(it => it.read),
        reads,
        LEAST.read,
      ),
      row('top 10, bids(10) and asks(10)', lists, reads),
    )
  }
  report(rows, json)
}

function inProcess(name: string, depth: number): Measured {
  const args = [fileURLToPath(import.meta.url), name, String(depth)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

/** Runs in a process of its own. */
function measure(name: string, depth: number): Measured {
  const subject = SUBJECTS[name]!(bookUpdates(depth, UPDATES))
  const update = nsEach(
    () => subject.run(),
    UPDATES,
    () => subject.begin(),
  )
  let sum = 0
  const repeated = (call: () => number) =>
    nsEach(() => {
      for (let i = 0; i < READS; i++) sum += call()
    }, READS)
  const read = repeated(() => subject.read())
  const { levels: list } = subject
  const levels = list && repeated(() => list())
  if (!Number.isFinite(sum)) throw new Error('a level was read that is none')
  const end = JSON.stringify(subject.end())
  return {
    ...{ update, read, ...(levels !== undefined && { levels }) },
    digest: createHash('sha256').update(end).digest('hex'),
  }
}

function nsEach(pass: () => void, count: number, before = () => {}): number {
  const samples: number[] = []
  // The first ones are for the compiler.
  for (let n = -SAMPLES; n < SAMPLES; n++) {
    before()
    const start = process.cpuUsage()
    pass()
    const { user, system } = process.cpuUsage(start)
    if (n >= 0) samples.push(((user + system) * 1_000) / count)
  }
  return median(samples)
}

/** A snapshot, then updates of one level each; the number of levels stays about the same. */
function bookUpdates(depth: number, count: number): Update[] {
  const random = seededRandom(depth)
  const side = depth / 2
  /** Ticks, best first, and those between them where nothing stands. */
  const [bids, asks] = [-1, 1].map(direction => ({
    direction,
    ticks: Array.from({ length: side }, (_, i) => 1_000_000 + direction * (1 + i)),
    gaps: [] as number[],
  })) as [Ladder, Ladder]
  const size = () => Math.ceil(random() * 1e6) / 1e3
  const levels = ({ ticks }: Ladder) => ticks.map((tick): Level => [tick / 100, size()])
  const updates: Update[] = [{ bids: levels(bids), asks: levels(asks), snapshot: true }]
  const put = (ladder: Ladder, tick: number, amount: number) => {
    const level: Level[] = [[tick / 100, amount]]
    updates.push({
      bids: ladder === bids ? level : [],
      asks: ladder === asks ? level : [],
      snapshot: false,
    })
  }
  const drift = () => {
    const [back, on] = random() < 0.5 ? [bids, asks] : [asks, bids]
    // One side gives its best level way, the other takes its place; far away it is the other way round.
    const lost = back.ticks.shift()!
    put(back, lost, 0)
    back.gaps = back.gaps.filter(tick => tick !== lost)
    on.ticks.unshift(lost)
    put(on, lost, size())
    put(on, on.ticks.pop()!, 0)
    back.ticks.push(back.ticks.at(-1)! + back.direction)
    put(back, back.ticks.at(-1)!, size())
  }
  while (updates.length <= count) {
    const ladder = random() < 0.5 ? bids : asks
    const { ticks, gaps, direction } = ladder
    const from = random() < 0.5 ? Math.log(1 - random()) * -8 : random() ** 3 * ticks.length
    const at = Math.min(Math.floor(from), ticks.length - 1)
    const chance = random()
    if (chance < 0.02) drift()
    else if (chance < 0.32 && at > 0) {
      const [tick] = ticks.splice(at, 1)
      gaps.push(tick!)
      put(ladder, tick!, 0)
    } else if (chance < 0.62 && gaps.length > 0) {
      const tick = gaps.pop()!
      // The side may have moved past it.
      if ((tick - ticks[0]!) * direction <= 0 || ticks.includes(tick)) continue
      ticks.splice(
        ticks.findIndex(other => (other - tick) * direction > 0),
        0,
        tick,
      )
      put(ladder, tick, size())
    } else put(ladder, ticks[at]!, size())
  }
  return updates
}

interface Ladder {
  readonly direction: number
  readonly ticks: number[]
  gaps: number[]
}

const [, script, name, depth] = process.argv
if (script === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(measure(name!, Number(depth))))
}
