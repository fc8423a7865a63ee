import type { Random } from '../base/random.ts'
import type { Fault } from './faults.ts'
import type { VenueAnswer, VenueQuestion, VenueReply } from './venue-wire.ts'

export type RestFault = Extract<Fault, { fault: 'rest-error' | 'rest-spoiled' }>

/** Lists of records by symbol, and what else stands in an answer. */
type Body = { [name: string]: unknown } & { next_page_token?: string | null }
type Item = { [key: string]: unknown }
type Lists = { [symbol: string]: Item[] | Item }

/**
 * What becomes of a question under a fault; `answer` is how it would be answered without, and `random` says which record
 * is spoiled.
 */
export function spoiled(
  fault: RestFault,
  question: VenueQuestion,
  answer: (question: VenueQuestion) => VenueAnswer,
  random: Random,
): VenueReply {
  if (fault.fault === 'rest-error') {
    const { status, retryAfter } = fault
    const after =
      retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter / 1_000)) }
    const body = JSON.stringify({ message: MESSAGES[status] ?? 'internal error' })
    return { status, headers: { 'content-type': 'application/json', ...after }, body }
  }
  const { how } = fault
  if (how === 'silence') return 'silence'
  const whole = answer(how === 'endless' || how === 'repeated' ? asFirst(question) : question)
  if (whole.status !== 200) return whole
  if (how === 'garbage') return { ...whole, body: '<html>Bad day</html>' }
  if (how === 'cut') return { ...whole, body: whole.body.slice(0, whole.body.length >> 1) }
  const body = JSON.parse(whole.body) as Body
  const name = Object.keys(body).find(key => key !== 'next_page_token')!
  const lists = body[name] as Lists
  switch (how) {
    case 'endless':
      body[name] = {}
      body.next_page_token = `${tokenOf(question)}x`
      break
    case 'repeated':
      body.next_page_token = 'again'
      break
    case 'shuffled':
      for (const list of Object.values(lists)) if (Array.isArray(list)) list.reverse()
      break
    case 'outside':
      for (const item of itemsOf(lists)) item.t = String(item.t).replace(/^\d{4}/, '1999')
      break
    case 'stranger':
      for (const list of Object.values(lists)) lists.ZZZZ = list
      break
    case 'priceless': {
      const items = itemsOf(lists)
      const item = items[Math.floor(random() * items.length)]
      if (item) for (const key of PRICES) delete item[key]
    }
  }
  return { ...whole, body: JSON.stringify(body) }
}

const PRICES = ['p', 'bp', 'o']

const itemsOf = (lists: Lists): Item[] => Object.values(lists).flat()

function tokenOf({ url }: VenueQuestion): string {
  return new URLSearchParams(url.split('?', 2)[1]).get('page_token') ?? ''
}

/** The same question for the first page: a token of ours is none of the venue's. */
function asFirst(question: VenueQuestion): VenueQuestion {
  const [path, query] = question.url.split('?', 2)
  const fields = new URLSearchParams(query)
  fields.delete('page_token')
  return { ...question, url: `${path}?${fields}` }
}

const MESSAGES: { readonly [status: number]: string } = {
  400: 'bad request',
  401: 'unauthorized',
  403: 'subscription does not permit querying recent SIP data',
  404: 'Not Found',
  422: 'unprocessable',
  429: 'too many requests',
}

type Row = { [key: string]: unknown }

/** Where an answer that is a list of records has what faults touch. */
export interface RowsOf {
  /** The records, to be changed in place; none where there is no list. */
  rowsOf(body: unknown): unknown[]
  /** Gives a record a time nobody asked for. */
  setTime(row: Row): void
  setPriceless(row: Row): void
}

/** What becomes of an answer that is a list of records under a fault; `error` is the body of an error. */
export function spoiledRows(
  fault: RestFault,
  whole: VenueAnswer,
  error: string,
  { rowsOf, setTime, setPriceless }: RowsOf,
): VenueReply {
  if (fault.fault === 'rest-error') {
    const { status, retryAfter } = fault
    const after =
      retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter / 1_000)) }
    return { status, headers: { 'content-type': 'application/json', ...after }, body: error }
  }
  const { how } = fault
  if (how === 'silence') return 'silence'
  if (whole.status !== 200) return whole
  if (how === 'garbage') return { ...whole, body: '<html>Bad day</html>' }
  if (how === 'cut') return { ...whole, body: whole.body.slice(0, whole.body.length >> 1) }
  const body: unknown = JSON.parse(whole.body)
  const rows = rowsOf(body) as Row[]
  const [first] = rows
  switch (how) {
    case 'endless':
    case 'repeated':
      // A full page of the same.
      if (first) while (rows.length < 1_000) rows.push(first)
      break
    case 'shuffled':
      if (rows.length > 1) [rows[0], rows[1]] = [rows[1]!, { ...first }]
      break
    case 'outside':
      for (const row of rows) setTime(row)
      break
    case 'stranger':
      rows.push({ stranger: true })
      break
    case 'priceless':
      if (first) setPriceless(first)
  }
  return { ...whole, body: JSON.stringify(body) }
}
