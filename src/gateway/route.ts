import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import type { Visitor } from './access.ts'
import type { GatewayContext, Guest, Scope } from './context.ts'

/** One way to ask over HTTP: what the router mounts, and what the OpenAPI document says of it. */
export interface Route {
  readonly method: 'get' | 'post' | 'delete'
  /** With `{name}` for a part that differs. */
  readonly path: string
  /** What a key must be for; `undefined`: nobody needs one. */
  readonly scope: Scope | undefined
  /** One line. */
  readonly summary: string
  /** More, where it takes more. */
  readonly description?: string
  readonly query?: z.ZodObject
  readonly body?: z.ZodObject
  /** Of the JSON answer; `undefined` where there is nothing to say (204). */
  readonly answer: z.ZodType | undefined
  /** @default 'application/json' */
  readonly answerType?: string
  /** For supervisors: neither keys nor quotas are looked at. @default false */
  readonly isFree?: boolean
  /** Stays open, so it counts as a connection; the handler lets its guest go. A token opens it too. @default false */
  readonly isStream?: boolean
  /** Other forms, by their media type, in words. */
  readonly forms?: Readonly<Record<string, string>>
  /** Answers with an ETag where nothing is to change any more. @default false */
  readonly hasTag?: boolean
  /** Carries data of venues, so it says what that is. @default false */
  readonly isData?: boolean
  handle(ask: Ask): Promise<Response> | Response
}

/** One request, looked at: who asks, and what. */
export interface Ask {
  readonly query: Readonly<Record<string, unknown>>
  readonly body: Readonly<Record<string, unknown>>
  /** May do what the route is for. */
  readonly guest: Guest
  readonly visitor: Visitor
  readonly request: IncomingMessage
  readonly url: URL
  /** Aborts when whoever asked has gone. */
  readonly signal: AbortSignal
  /** Ends the connection in the middle of an answer that cannot be gone on with, so that no part passes for all. */
  cut(error: unknown): void
}

/** A route with its query and body typed. */
export function route<Q extends z.ZodObject, B extends z.ZodObject>(
  of: Omit<Route, 'query' | 'body' | 'handle'> & {
    readonly query?: Q
    readonly body?: B
    handle(
      ask: Omit<Ask, 'query' | 'body'> & {
        readonly query: z.output<Q>
        readonly body: z.output<B>
      },
    ): Promise<Response> | Response
  },
): Route {
  return of as Route
}

/** What a query says. @throws BAD_OPTION naming the parameter and what it may be */
export function readQuery(url: URL, schema: z.ZodObject | undefined): Record<string, unknown> {
  const known = Object.keys(schema?.shape ?? {})
  const given: Record<string, string> = {}
  for (const [name, value] of url.searchParams) {
    if (!known.includes(name)) {
      const hint = known.length > 0 ? didYouMean(name, known) : 'It takes none.'
      throw new TickwireError('BAD_OPTION', `unknown parameter ${name}`, { hint })
    }
    // The same twice is as a list.
    given[name] = name in given ? `${given[name]},${value}` : value
  }
  return parsed(schema, given, 'parameter')
}

/** @throws BAD_OPTION */
export function readBody(text: string, schema: z.ZodObject): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text === '' ? '{}' : text)
  } catch (cause) {
    throw new TickwireError('BAD_OPTION', 'the body is no JSON', { cause, hint: HELP })
  }
  return parsed(schema, value, 'field')
}

const HELP = 'GET /v1/openapi.json describes every request.'

function parsed(
  schema: z.ZodObject | undefined,
  value: unknown,
  what: string,
): Record<string, unknown> {
  if (!schema) return {}
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const { path, message } = result.error.issues[0]!
  const place = path.length > 0 ? `${what} ${path.join('.')}` : 'the body'
  const text = message.replace(/^Invalid input: /, '')
  throw new TickwireError('BAD_OPTION', `${place}: ${text}`, { hint: HELP })
}

/** A JSON answer. */
export function json(value: unknown, init: ResponseInit = {}): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    ...init,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...init.headers },
  })
}

/** What each query may say, in text. */
export const list = (what: string) =>
  z
    .string()
    .transform(text => text.split(',').map(part => part.trim()))
    .refine(parts => parts.every(part => part !== ''), 'a part of the list is empty')
    .meta({ description: `${what}, separated by commas.` })

/** @throws BAD_OPTION */
export function mustKnow({ feeds }: GatewayContext, source: string | undefined): void {
  if (source === undefined || feeds.some(feed => feed.source === source)) return
  throw new TickwireError('BAD_OPTION', `there is no source ${source}`, {
    hint: `There is ${feeds.map(feed => feed.source).join(', ')}.`,
  })
}
