import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { HistoryRequest } from '../flow/contracts.ts'
import type { MarketEvent } from '../market/events.ts'
import type {
  AsOfRequest,
  Holding,
  Merged,
  MergeOptions,
  PartsRequest,
  Store,
  Table,
} from '../store/store.ts'
import { BEHIND } from './control.ts'
import {
  cutOff,
  endFrame,
  errorOf,
  eventFrames,
  eventsOf,
  type Failure,
  failureFrame,
  type Line,
  linesOf,
  type OwnerStatus,
  rowsOf,
} from './control-wire.ts'

/** What can be asked of whoever has the store, this process or another. */
export type Answers = Pick<Store, 'history' | 'asOf' | 'sql' | 'parquet' | 'holdings' | 'merge'>

/** Answers by asking the process that owns a data folder, at its socket. */
export class Remote implements Answers {
  readonly #path: string
  readonly #log: Log

  constructor(path: string, log: Log) {
    this.#path = path
    this.#log = log
  }

  /** How the owner is; `undefined` when nobody listens at the socket. @throws CONNECTION_LOST when it does not answer */
  async status(signal?: AbortSignal): Promise<OwnerStatus | undefined> {
    try {
      return await this.#json<OwnerStatus>('/status', signal)
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
      throw error
    }
  }

  async *history(asked: HistoryRequest): AsyncGenerator<MarketEvent[]> {
    const { signal, malformed: _, ...question } = asked
    const answer = await this.#post('/history', question, signal)
    yield* this.#until(eventsOf(answer), signal)
  }

  async asOf({ signal, ...question }: AsOfRequest): Promise<MarketEvent[]> {
    const answer = await this.#post('/as-of', question, signal)
    const events: MarketEvent[] = []
    for await (const batch of this.#until(eventsOf(answer), signal)) events.push(...batch)
    return events
  }

  async sql(text: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Table> {
    const answer = await this.#post('/sql', { text }, signal)
    const lines = this.#until(linesOf(answer), signal)
    const { value } = await lines.next()
    if (!value || !('columns' in value)) throw cutOff()
    return { columns: value.columns, rows: rowsIn(lines) }
  }

  async parquet({ signal, ...question }: PartsRequest): Promise<string[]> {
    const answer = await this.#post('/parquet', question, signal)
    return (await this.#done(answer, signal)) as string[]
  }

  async holdings(): Promise<Holding[]> {
    return this.#json('/holdings')
  }

  async merge(
    events: AsyncIterable<readonly MarketEvent[]>,
    { onProgress, signal }: MergeOptions = {},
  ): Promise<Merged> {
    const { question, answered } = this.#ask('POST', '/merge', signal)
    try {
      const sent = send(question, events)
      // Whichever fails first says why; an owner that refuses ends the sending.
      const answer = await Promise.race([answered, sent.then(() => answered)])
      const done = this.#done(answer, signal, line => {
        if ('events' in line) onProgress?.(line.events)
      })
      const [merged] = await Promise.all([done, sent])
      return merged as Merged
    } catch (error) {
      question.destroy()
      throw signal?.aborted ? givenUp() : error
    }
  }

  async #json<T>(path: string, signal?: AbortSignal): Promise<T> {
    const { question, answered } = this.#ask('GET', path, signal)
    question.end()
    const parts: Buffer[] = []
    const answer = await answered
    this.#sayBehind(answer)
    try {
      for await (const part of answer) parts.push(part as Buffer)
    } catch (cause) {
      throw cutOff(cause)
    }
    return JSON.parse(Buffer.concat(parts).toString()) as T
  }

  async #post(path: string, body: object, signal: AbortSignal | undefined) {
    const { question, answered } = this.#ask('POST', path, signal)
    question.end(JSON.stringify(body))
    const answer = await answered
    this.#sayBehind(answer)
    return answer
  }

  #ask(method: string, path: string, signal: AbortSignal | undefined) {
    if (signal?.aborted) throw givenUp()
    const question = request({
      ...{ socketPath: this.#path, method, path, agent: false },
      ...(signal && { signal }),
    })
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      question.on('error', cause => {
        reject(signal?.aborted ? givenUp() : refused(this.#path, cause))
      })
      question.on('response', answer => {
        if (answer.statusCode === 200) resolve(answer)
        else failed(answer).then(reject, reject)
      })
    })
    // Whoever sends first looks later.
    answered.catch(() => {})
    return { question, answered }
  }

  async #done(
    answer: IncomingMessage,
    signal: AbortSignal | undefined,
    heard?: (line: Line) => void,
  ): Promise<unknown> {
    for await (const line of this.#until(linesOf(answer), signal)) {
      if ('done' in line) return line.done
      heard?.(line)
    }
    throw cutOff()
  }

  /** Whatever fails when the signal ends a question, it was that. Its reader ends it by leaving the loop. */
  async *#until<T>(parts: AsyncGenerator<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
    try {
      yield* parts
    } catch (error) {
      throw signal?.aborted ? givenUp() : error
    }
  }

  #sayBehind(answer: IncomingMessage): void {
    const behind = Number(answer.headers[BEHIND] ?? 0)
    if (behind > 0)
      this.#log.warn(
        { behind },
        `the last ${behind} events are not stored yet: the answer lacks them`,
      )
  }
}

async function* rowsIn(lines: AsyncGenerator<Line>): AsyncGenerator<ReturnType<typeof rowsOf>> {
  for await (const line of lines) if ('rows' in line) yield rowsOf(line)
}

/** Sends events no faster than they are taken; where they fail, the other side is told why. */
async function send(
  question: ClientRequest,
  events: AsyncIterable<readonly MarketEvent[]>,
): Promise<void> {
  try {
    for await (const batch of events) {
      for (const frame of eventFrames(batch)) {
        if (question.destroyed || question.writableEnded) return
        if (!question.write(frame)) await drained(question)
      }
    }
    question.end(endFrame())
  } catch (error) {
    question.end(failureFrame(error))
    throw error
  }
}

function drained(question: ClientRequest): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      for (const event of ['drain', 'close', 'response']) question.off(event, done)
      resolve()
    }
    for (const event of ['drain', 'close', 'response']) question.on(event, done)
  })
}

/** What the owner says instead of an answer. */
async function failed(answer: IncomingMessage): Promise<Error> {
  let text = ''
  for await (const part of answer) text += part
  try {
    return errorOf(JSON.parse(text) as Failure)
  } catch (cause) {
    return new TickwireError(
      'CONNECTION_LOST',
      `the owner of the store answered ${answer.statusCode}`,
      {
        cause,
      },
    )
  }
}

const givenUp = () => new TickwireError('CLOSED', 'the question was given up')

function refused(path: string, cause: Error): TickwireError {
  const { code } = cause as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') {
    return new TickwireError('CONTROL_UNSAFE', `${path} may not be used by this user`, {
      hint: 'Ask as the user who runs the process that has the store.',
      cause,
    })
  }
  return cutOff(cause)
}
