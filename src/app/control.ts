import { mkdirSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type Server as NetServer } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import { takeLease } from '../base/lease.ts'
import type { Log } from '../base/log.ts'
import type { MarketEvent } from '../market/events.ts'
import type { Merged, Store } from '../store/store.ts'
import { bindControl, findControl } from './control-address.ts'
import {
  type Asked,
  endFrame,
  eventFrames,
  eventsOf,
  failureFrame,
  failureOf,
  type Line,
  lineOf,
  type OwnerStatus,
  type Path,
  QUESTIONS,
  questionOf,
  rowsLine,
} from './control-wire.ts'

/** What the owner of a data folder can say. */
export interface Owner {
  status(): OwnerStatus
  /** What ails the store, where something does. */
  readonly error: Error | undefined
  /** The store, with all that was written on the tape when it was asked for, as far as that comes in time. */
  ready(signal: AbortSignal): Promise<{ readonly store: Store; readonly behind: number }>
}

export interface ControlOptions {
  /** The data folder. */
  readonly folder: string
  readonly owner: Owner
  readonly clock: Clock
  readonly log: Log
}

export interface Control {
  /** Of the socket. */
  readonly path: string
  /** Ends all questions. */
  close(): Promise<void>
}

/** How many events the store lacked of what was written, in an answer's head. */
export const BEHIND = 'tickwire-behind'
/** A question is some lines; what is longer is none. */
const MOST_QUESTION = 2 ** 20
/** Askers at the same time; more are turned away. */
const MOST_ASKERS = 64
/** Rows in a line of an answer to SQL. */
const LINE_ROWS = 500
const RIGHT_PATHS =
  'known: GET /status, GET /holdings, POST /history, /as-of, /sql, /parquet, /merge'

/**
 * Answers the other processes of this user about a data folder, over a socket in it. One process does it at a time: it
 * holds the folder's lease, so that a socket without a holder is one a crash has left.
 * @throws STORE_IN_USE when another process answers here, CONTROL_UNSAFE
 */
export async function openControl(options: ControlOptions): Promise<Control> {
  const { folder, clock, log } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const failed = (error: Error) =>
    log.warn({ folder, error: error.message }, 'the lease of the control socket cannot be kept')
  const server = createServer({ requestTimeout: 0, keepAlive: false })
  server.maxConnections = MOST_ASKERS
  const lost = (heldBy: number) => {
    log.warn({ folder, heldBy }, 'another process answers for this data folder now')
    server.closeAllConnections()
  }
  const lease = takeLease([join(folder, 'control.lease')], clock, failed, lost)
  if ('heldBy' in lease) throw inUse(folder, lease.heldBy)
  try {
    const found = findControl(folder)
    if (found !== undefined && (await isAnswered(found))) throw inUse(folder, 0)
    server.on('request', (request, response) => void answer(request, response, options))
    const bound = await bindControl(server as unknown as NetServer, folder)
    server.unref()
    server.on('error', error => log.warn({ error: error.message }, 'the control socket failed'))
    return {
      path: bound.path,
      async close() {
        bound.unlink()
        await closed(server)
        lease.release()
      },
    }
  } catch (error) {
    lease.release()
    throw error
  }
}

const inUse = (folder: string, heldBy: number) =>
  new TickwireError(
    'STORE_IN_USE',
    `${heldBy ? `process ${heldBy}` : 'another process'} answers for ${folder} already`,
    { hint: 'Ask it, end it, or choose another data folder.' },
  )

/** Whether somebody listens: a lease can be deleted by hand while its holder lives. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

function closed(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: ControlOptions,
): Promise<void> {
  const gone = new AbortController()
  // Closed before it was finished: whoever asked has gone, or we end.
  response.on('close', () => gone.abort())
  response.on('error', () => gone.abort())
  const asker = new Answer(request, response, gone.signal)
  try {
    await answerQuestion(asker, options)
  } catch (error) {
    if (gone.signal.aborted) return
    const known = error instanceof TickwireError
    if (!known)
      options.log.warn({ error: asError(error).message }, 'a question could not be answered')
    // One that was closed under the question, by what ails it, is no answer to whoever asked.
    const isClosed = known && error.code === 'CLOSED'
    asker.fail(isClosed ? (options.owner.error ?? error) : error)
  }
}

async function answerQuestion(asker: Answer, { owner, clock }: ControlOptions): Promise<void> {
  const { method, url } = asker
  if (method === 'GET' && url === '/status') return asker.json(owner.status())
  const isKnown = method === 'POST' ? url in QUESTIONS || url === '/merge' : url === '/holdings'
  if (!isKnown) throw new TickwireError('NOT_FOUND', `no ${method} ${url}`, { hint: RIGHT_PATHS })
  const { signal } = asker
  if (url === '/merge') {
    const { store } = await owner.ready(signal)
    return merge(asker, store, clock)
  }
  if (url === '/holdings') {
    const { store, behind } = await owner.ready(signal)
    return asker.json(await store.holdings(), behind)
  }
  const path = url as Path
  const asked = questionOf(path, await asker.text())
  const { store, behind } = await owner.ready(signal)
  await ANSWERS[path](asker.begin(behind), store, asked as never)
}

const ANSWERS: {
  readonly [P in Path]: (asker: Answer, store: Store, asked: Asked<P>) => Promise<void>
} = {
  '/history': async (asker, store, asked) => {
    const { signal } = asker
    for await (const batch of store.history({ ...whole(asked), signal })) await asker.events(batch)
    await asker.end(endFrame())
  },
  '/as-of': async (asker, store, asked) => {
    await asker.events(await store.asOf({ ...whole(asked), signal: asker.signal }))
    await asker.end(endFrame())
  },
  '/sql': async (asker, store, { text }) => {
    asker.isText = true
    const { columns, rows } = await store.sql(text, { signal: asker.signal })
    await asker.line({ columns })
    for await (const batch of rows) {
      for (let from = 0; from < batch.length; from += LINE_ROWS) {
        await asker.line(rowsLine(batch.slice(from, from + LINE_ROWS)))
      }
    }
    await asker.end(lineOf({ done: true }))
  },
  '/parquet': async (asker, store, asked) => {
    asker.isText = true
    const done = await store.parquet({ ...whole(asked), signal: asker.signal })
    await asker.end(lineOf({ done }))
  },
}

/** Between two words of how far a merge has come, ms. */
const PROGRESS_MS = 200

async function merge(asker: Answer, store: Store, clock: Clock): Promise<void> {
  asker.isText = true
  asker.begin(0)
  let told = 0
  const taken = store.merge(eventsOf(asker.request), {
    signal: asker.signal,
    onProgress: events => {
      if (clock.now() - told < PROGRESS_MS) return
      told = clock.now()
      void asker.line({ events })
    },
  })
  const done: Merged = await taken
  await asker.end(lineOf({ done }))
}

type Whole<T> = { [K in keyof T]: Exclude<T[K], undefined> }

/** Without the keys that are there and undefined. */
function whole<T extends object>(asked: T): Whole<T> {
  return Object.fromEntries(Object.entries(asked).filter(([, it]) => it !== undefined)) as Whole<T>
}

/** One question, and what is being said to it: no faster than its asker takes it. */
class Answer {
  readonly request: IncomingMessage
  readonly signal: AbortSignal
  /** Failures are lines of text, not frames. */
  isText = false
  readonly #response: ServerResponse

  constructor(request: IncomingMessage, response: ServerResponse, signal: AbortSignal) {
    this.request = request
    this.signal = signal
    this.#response = response
  }

  get method(): string {
    return this.request.method ?? ''
  }

  get url(): string {
    return this.request.url ?? ''
  }

  async text(): Promise<string> {
    const parts: Buffer[] = []
    let length = 0
    for await (const part of this.request) {
      length += (part as Buffer).length
      if (length > MOST_QUESTION) throw new TickwireError('BAD_OPTION', 'the question is too long')
      parts.push(part as Buffer)
    }
    return Buffer.concat(parts).toString()
  }

  begin(behind: number): this {
    this.#response.setHeader(BEHIND, behind)
    return this
  }

  json(value: object, behind = 0): void {
    this.#response.setHeader('content-type', 'application/json')
    this.#response.setHeader(BEHIND, behind)
    this.#response.end(`${JSON.stringify(value)}\n`)
  }

  async events(batch: readonly MarketEvent[]): Promise<void> {
    for (const frame of eventFrames(batch)) {
      await this.#write(frame)
      // What is encoded here is encoded in the thread of the feed: that comes first.
      await nextTurn()
    }
  }

  async line(line: Line): Promise<void> {
    await this.#write(lineOf(line))
  }

  async end(last: Uint8Array | string): Promise<void> {
    await this.#write(last)
    this.#response.end()
  }

  /** In the head where nothing has been said yet, else behind that. */
  fail(error: unknown): void {
    const response = this.#response
    if (response.headersSent) {
      response.end(this.isText ? lineOf({ error: failureOf(error) }) : failureFrame(error))
      return
    }
    const isAsked = error instanceof TickwireError && error.code !== 'STORE_IN_USE'
    response.statusCode =
      error instanceof TickwireError && error.code === 'NOT_FOUND' ? 404 : isAsked ? 400 : 500
    response.setHeader('content-type', 'application/json')
    // What is still being sent here is not read any more.
    response.setHeader('connection', 'close')
    response.end(`${JSON.stringify(failureOf(error))}\n`)
  }

  async #write(data: Uint8Array | string): Promise<void> {
    const response = this.#response
    if (this.signal.aborted) throw new TickwireError('CLOSED', 'whoever asked has gone')
    if (response.write(data)) return
    await new Promise<void>(resolve => {
      const done = () => {
        response.off('drain', done)
        response.off('close', done)
        resolve()
      }
      response.on('drain', done)
      response.on('close', done)
    })
  }
}

const nextTurn = () => new Promise<void>(resolve => setImmediate(resolve))
