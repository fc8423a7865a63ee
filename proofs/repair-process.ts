import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { openApp } from '../src/app/app.ts'
import { resumeOf } from '../src/app/resume.ts'
import type { Clock, Timer } from '../src/base/clock.ts'
import type { HttpGet } from '../src/base/http.ts'
import { silentLog } from '../src/base/log.ts'
import type { Random } from '../src/base/random.ts'
import type { OpenSocket, Socket } from '../src/base/socket.ts'
import { type Feed, type FeedOptions, openFeed } from '../src/feed/feed.ts'
import type { Provider } from '../src/feed/provider.ts'
import type { MarketEvent } from '../src/market/events.ts'
import { Checkpoints } from '../src/tape/file/summary.ts'
import { memoryTape } from '../src/tape/memory.ts'
import type { Tape } from '../src/tape/tape.ts'

/** What a process has of the world: all of it ends with the process. */
export interface World {
  readonly clock: Clock
  readonly openSocket: OpenSocket
  readonly httpGet: HttpGet
}

/** A process that can die at any moment: nothing of it is closed, its timers never fire, its sockets are cut. */
export class Process {
  readonly feed: Feed
  readonly tape: Tape
  readonly #mortal: Mortal
  readonly #folder: string | undefined

  private constructor(feed: Feed, tape: Tape, mortal: Mortal, folder: string | undefined) {
    this.feed = feed
    this.tape = tape
    this.#mortal = mortal
    this.#folder = folder
    feed.done.catch(() => {})
  }

  /** Starts with what an earlier one has left: a folder, or what it had recorded in memory. */
  static async start(
    world: World,
    left: string | readonly MarketEvent[],
    make: (world: World) => Provider,
    options: FeedOptions,
  ): Promise<Process> {
    const mortal = new Mortal(world)
    const provider = make(mortal.world)
    const { clock } = mortal.world
    if (typeof left === 'string') {
      // The tape keeps the clock of the world, so that it can be closed when its process is long dead.
      const app = await openApp({
        ...{ record: { folder: left }, log: silentLog, clock: world.clock },
        feeds: [{ provider, ...options, clock }],
      })
      return new Process(app.feeds[0]!, app.tape, mortal, left)
    }
    const tape = memoryTape({ clock: world.clock, capacity: CAPACITY })
    const checkpoints = new Checkpoints()
    for (const event of left) checkpoints.add(event)
    if (left.length > 0) tape.append(left)
    const resume = await resumeOf(tape, checkpoints.list, options.repair)
    const feed = openFeed(provider, { ...options, clock, log: silentLog, resume })
    feed.pipe(tape)
    return new Process(feed, tape, mortal, undefined)
  }

  /** Dies; returns what is left of it. */
  async kill(random: Random, to: string): Promise<string | readonly MarketEvent[]> {
    this.#mortal.die()
    if (this.#folder !== undefined) {
      copyFiles(this.#folder, to)
      await this.tape.close()
      return to
    }
    const events = await this.recorded()
    // What a process has not written yet dies with it.
    const lost = random() < 0.5 ? Math.floor(random() * 30) : 0
    return events.slice(0, Math.max(MOST_KEPT, events.length - lost))
  }

  /** Everything on its tape. */
  async recorded(): Promise<MarketEvent[]> {
    const events: MarketEvent[] = []
    for await (const batch of this.tape.read({ from: 'start', live: false })) events.push(...batch)
    return events
  }

  /** Resolves when what is on its tape would outlive it. */
  async written(): Promise<void> {
    while (this.tape.written.seq < this.tape.end.seq) {
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }

  async close(): Promise<void> {
    await this.feed.close()
    await this.tape.close()
  }
}

/** More events than a round has. */
const CAPACITY = 65_536
/** Of the first events none is lost: a topic that has had none is not known to be wanted. */
const MOST_KEPT = 16

export const folderOf = (root: string, generation: number) => join(root, `${generation}`)

/** A world that stops at once. */
class Mortal {
  readonly world: World
  #dead = false
  readonly #timers = new Set<Timer>()
  readonly #sockets = new Set<Socket>()

  constructor({ clock, openSocket, httpGet }: World) {
    const own: Clock = {
      now: () => clock.now(),
      setTimeout: (fn, ms, idle) => {
        if (this.#dead) return { cancel: () => {} }
        const timer = clock.setTimeout(
          () => {
            this.#timers.delete(timer)
            fn()
          },
          ms,
          idle,
        )
        this.#timers.add(timer)
        return {
          cancel: () => {
            this.#timers.delete(timer)
            timer.cancel()
          },
        }
      },
    }
    this.world = {
      clock: own,
      openSocket: (request, events) => {
        const alive =
          <A extends unknown[]>(call: (...args: A) => void) =>
          (...args: A) => {
            if (!this.#dead) call(...args)
          }
        const socket = openSocket(
          request,
          {
            opened: alive(() => events.opened()),
            frame: alive((data, binary, at) => events.frame(data, binary, at)),
            pong: alive(() => events.pong()),
            closed: alive(end => {
              this.#sockets.delete(socket)
              events.closed(end)
            }),
          },
          own,
        )
        this.#sockets.add(socket)
        return socket
      },
      httpGet: async request => {
        const answer = await httpGet(request).catch(error => {
          if (!this.#dead) throw error
        })
        return this.#dead || !answer ? new Promise(() => {}) : answer
      },
    }
  }

  die(): void {
    this.#dead = true
    for (const timer of this.#timers) timer.cancel()
    for (const socket of this.#sockets) socket.terminate()
  }
}

/** What a kill leaves: the files there are, but for the lease and what a worker is just making. */
function copyFiles(from: string, to: string): void {
  mkdirSync(to)
  for (const { name } of readdirSync(from, { withFileTypes: true }).filter(one => one.isFile())) {
    if (/\.(lease|sealing|probe|new)$/.test(name)) continue
    copyFileSync(join(from, name), join(to, name))
  }
}
