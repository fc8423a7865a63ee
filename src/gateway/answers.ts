import { createHash } from 'node:crypto'
import { csvHeader, encodeCsv } from '../market/csv.ts'
import type { EventType, MarketEvent } from '../market/events.ts'
import { encodeEvent } from '../market/json.ts'
import type { Nature } from './nature.ts'

/** How events are answered: as one JSON value, or as lines. */
export type Form = 'json' | 'ndjson' | 'csv'

const MEDIA: readonly (readonly [type: string, form: Form])[] = [
  ['application/json', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
  ['application/jsonl', 'ndjson'],
  ['text/csv', 'csv'],
]

/** For the OpenAPI document. */
export const FORMS = {
  'application/x-ndjson': 'One event a line, in the JSON form.',
  'text/csv': 'One event a line, the fields of the JSON form as columns.',
}

const CONTENT_TYPE: Readonly<Record<Form, string>> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8',
}

/** The form an Accept header likes best; JSON where it names none of ours. */
export function formOf(accept: string | undefined): Form {
  let best: Form = 'json'
  let most = 0
  for (const part of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = part.split(';').map(word => word.trim().toLowerCase())
    const q = parameters.find(word => word.startsWith('q='))
    const weight = q === undefined ? 1 : Number(q.slice(2)) || 0
    const [, form] = MEDIA.find(([name]) => name === type) ?? []
    if (form !== undefined && weight > most) [best, most] = [form, weight]
  }
  return best
}

/** Events encoded at a time, about a millisecond: then it is the stream's turn. */
const AT_ONCE = 512

/** So many events of one kind, whole: with what comes after them, and a tag where they are not to change any more. */
export async function pageOf(
  form: Form,
  kind: EventType,
  events: readonly MarketEvent[],
  { next, nature, isClosed, ifNoneMatch, headers }: PageOptions,
): Promise<Response> {
  nature.events(events)
  let body = ''
  if (form === 'csv') body = csvHeader(kind)
  else if (form === 'json') body = `{"nature":${JSON.stringify(nature.words)},"data":[`
  for (let at = 0; at < events.length; at += AT_ONCE) {
    const to = Math.min(events.length, at + AT_ONCE)
    if (form !== 'json') for (let i = at; i < to; i++) body += lineOf(form, events[i]!)
    else for (let i = at; i < to; i++) body += `${i > 0 ? ',\n' : '\n'}${encodeEvent(events[i]!)}`
    await nextTurn()
  }
  if (form === 'json') body += `\n],"next":${JSON.stringify(next ?? null)}}\n`
  const all = {
    ...headOf(form, nature),
    ...(next !== undefined && { 'tickwire-next': next }),
    ...headers,
  }
  if (!isClosed) return new Response(body, { headers: all })
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`
  const tagged = { ...all, etag, 'cache-control': 'private, no-cache' }
  if (!matches(ifNoneMatch, etag)) return new Response(body, { headers: tagged })
  return new Response(null, { status: 304, headers: tagged })
}

export interface PageOptions {
  /** Cursor of what follows. */
  readonly next?: string | undefined
  readonly nature: Nature
  /** The range has ended: the same question has the same answer, unless the past is mended. */
  readonly isClosed: boolean
  readonly ifNoneMatch?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
}

/** As many events as come, a line each; a failure in the middle cuts the connection, so that no part passes for all. */
export async function linesOf(
  form: Exclude<Form, 'json'>,
  kind: EventType,
  batches: AsyncIterable<readonly MarketEvent[]>,
  nature: Nature,
  { headers = {}, cut }: LinesOptions,
): Promise<Response> {
  const iterator = batches[Symbol.asyncIterator]()
  // Before the first byte: what the first are tells what to say of all, and what fails at once is told as such.
  let step = await iterator.next()
  if (!step.done) nature.events(step.value)
  let at = 0
  let isFirst = true
  const next = async () => {
    if (!step.done && at >= step.value.length) {
      step = await iterator.next()
      at = 0
    }
    let text = isFirst && form === 'csv' ? csvHeader(kind) : ''
    isFirst = false
    if (step.done) return text
    const to = Math.min(step.value.length, at + AT_ONCE)
    for (; at < to; at++) text += lineOf(form, step.value[at]!)
    return text
  }
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const text = await next()
        if (text !== '') controller.enqueue(encoder.encode(text))
        if (step.done) controller.close()
      } catch (error) {
        cut(error)
      }
      await nextTurn()
    },
    async cancel() {
      await iterator.return?.()
    },
  })
  return new Response(body, { headers: { ...headOf(form, nature), ...headers } })
}

export interface LinesOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Ends the connection in the middle of the answer. */
  readonly cut: (error: unknown) => void
}

const lineOf = (form: Exclude<Form, 'json'>, event: MarketEvent) =>
  form === 'csv' ? encodeCsv(event) : `${encodeEvent(event)}\n`

const headOf = (form: Form, nature: Nature) => ({
  'content-type': CONTENT_TYPE[form],
  'cache-control': 'no-store',
  ...nature.header,
})

const matches = (given: string | undefined, etag: string) =>
  given?.split(',').some(tag => ['*', etag, `W/${etag}`].includes(tag.trim())) ?? false

const nextTurn = () => new Promise<void>(resolve => setImmediate(resolve))
