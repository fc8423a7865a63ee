import type { IncomingMessage } from 'node:http'
import { asError, TickwireError } from '../base/errors.ts'
import type { SharedAnswer, SharedDesk, SharedQuestion } from '../flow/contracts.ts'
import { formatTopic } from '../market/topics.ts'
import { type Door, mustBe } from './access.ts'
import type { Guest } from './context.ts'
import { wantFor } from './desk.ts'
import { hostOf } from './dropin-host.ts'
import { type Dropin, prefixOf } from './dropin-paths.ts'
import { NATURE_HEADER } from './nature.ts'
import { refusalOf, statusOf } from './refusals.ts'
import { spellings, storeOf } from './rest-past.ts'
import type { GatewayInside } from './serve.ts'

/** A body is a list of symbols at most. */
export const MOST_BODY = 64 * 1_024
const DAY_MS = 86_400_000

export interface VendorAsk {
  readonly dropin: Dropin
  readonly request: IncomingMessage
  readonly url: URL
  /** Aborts when whoever asked has gone. */
  readonly signal: AbortSignal
}

/** Answers a question in a vendor's words; `undefined` where the vendor has nothing to ask over HTTP. */
export async function answerVendor(
  { dropin, request, url, signal }: VendorAsk,
  inside: GatewayInside,
  door: Door,
): Promise<Response | undefined> {
  const { protocol, path } = dropin
  const { rest, id } = protocol
  if (!rest) return undefined
  const { log } = inside.context
  const nature = { [NATURE_HEADER]: 'live' }
  let answer: SharedAnswer
  let retryAfterMs: number | undefined
  try {
    door.checkVendor(request)
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, value?.toString()]),
    )
    const question: SharedQuestion = {
      ...{ method: request.method ?? 'GET', path, query: url.searchParams, headers },
      body: await readText(request, MOST_BODY),
      root: `${url.origin}${prefixOf(id, request)}`,
    }
    const desk = new Desk(dropin, inside, door, signal)
    if (desk.nature !== undefined) nature[NATURE_HEADER] = desk.nature
    answer = await rest.answer(question, desk)
  } catch (error) {
    const { code, message, retryAfterMs: after } = refusalOf(error)
    const status = error instanceof TickwireError ? statusOf(error) : 500
    retryAfterMs = after
    if (code === 'UNEXPECTED') {
      const { message: what, stack } = asError(error)
      log.error({ path: `/${id}`, error: what, stack }, 'a request failed')
    } else log.info({ path: `/${id}`, code, status }, 'a request was refused')
    answer = rest.fault(status, message)
  }
  const { status, body, headers } = answer
  return new Response(body, {
    status,
    headers: {
      ...{ 'content-type': 'application/json', 'cache-control': 'no-store' },
      ...headers,
      ...nature,
      ...(retryAfterMs !== undefined && {
        'retry-after': `${Math.max(1, Math.ceil(retryAfterMs / 1_000))}`,
      }),
    },
  })
}

/** What one question is answered from. */
class Desk implements SharedDesk {
  readonly source: string
  readonly nature: string | undefined
  readonly resolve: SharedDesk['resolve']
  readonly standing: SharedDesk['standing']
  readonly #inside: GatewayInside
  readonly #isReplayed: boolean
  readonly #signal: AbortSignal
  readonly #admit: (words: readonly string[]) => Guest | undefined
  #guest: Guest | undefined

  constructor({ feed }: Dropin, inside: GatewayInside, door: Door, signal: AbortSignal) {
    const { source, nature, resolve, standing } = hostOf(
      ...([feed, inside.hub.present, inside.upstream] as const),
      (...words) => this.admit(...words),
    )
    this.source = source
    this.nature = nature
    this.resolve = resolve
    this.standing = standing
    this.#inside = inside
    this.#isReplayed = feed.capabilities.nature === 'replayed'
    this.#signal = signal
    this.#admit = words => door.visitVendor(words)
  }

  admit(...words: readonly string[]): boolean {
    this.#guest = this.#admit(words)
    return this.#guest !== undefined
  }

  now(): number {
    return this.#inside.context.clock.now()
  }

  async want(topics: Parameters<SharedDesk['want']>[0]): Promise<void> {
    const { upstream, hub, context } = this.#inside
    mustBe(this.#guest, 'read')
    const unique = [...new Map(topics.map(topic => [formatTopic(topic), topic])).values()]
    const isThere = (topic: (typeof topics)[number]) =>
      topic.kind === 'book'
        ? hub.present.wholeBooks(topic).length > 0
        : hub.present.latest(topic).length > 0
    const lacking = unique.filter(topic => !isThere(topic))
    const symbols = new Set(lacking.map(({ symbol }) => symbol))
    // One kind of each symbol is enough to answer with.
    const isEnough = () =>
      [...symbols].every(symbol => lacking.some(topic => topic.symbol === symbol && isThere(topic)))
    await wantFor(upstream, lacking, isEnough, context.clock, this.#signal)
  }

  async *history(request: Parameters<SharedDesk['history']>[0]) {
    mustBe(this.#guest, 'history')
    const { store } = await storeOf(this.#inside.context, this.#signal)
    yield* store.history({
      ...request,
      symbols: request.symbols.flatMap(spellings),
      signal: this.#signal,
      // What is played back says where it was from.
      ...(!this.#isReplayed && { source: this.source }),
    })
  }

  async beginning(kind: Parameters<SharedDesk['beginning']>[0]): Promise<number | undefined> {
    mustBe(this.#guest, 'history')
    const { store } = await storeOf(this.#inside.context, this.#signal)
    const holdings = await store.holdings()
    // Bars are built from trades where they are not stored.
    const days = holdings
      .filter(one => one.kind === kind || (kind === 'bar' && one.kind === 'trade'))
      .map(({ day }) => Date.parse(day))
    return days.length > 0 ? Math.min(...days) - DAY_MS : undefined
  }
}

/** The body of a request, of no more than so many bytes. @throws BAD_OPTION where it is longer */
export async function readText(request: IncomingMessage, most: number): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request) {
    length += (part as Buffer).length
    if (length > most) throw new TickwireError('BAD_OPTION', 'the body is too long')
    parts.push(part as Buffer)
  }
  return Buffer.concat(parts).toString()
}
