import { z } from 'zod'
import { TickwireError } from '../base/errors.ts'
import type { LedgerRow } from '../feed/ledger.ts'
import { EVENT_TYPES, type EventType } from '../market/events.ts'
import { type Door, TOKEN_MS } from './access.ts'
import { type GatewayContext, SCOPES, type Scope } from './context.ts'
import { refusalOf } from './refusals.ts'
import { storeOf } from './rest-past.ts'
import { json, type Route, route } from './route.ts'

/** One client, for whoever administers the gateway. */
export interface ClientInfo {
  readonly id: string
  /** The key's name, or `anonymous`. */
  readonly name: string
  readonly address: string
  /** What it speaks: `native`, `sse`. */
  readonly protocol: string
  /** Epoch ms. */
  readonly since: number
  readonly subscriptions: number
  readonly symbols: number
  readonly bytesSent: number
  /** Events it lost for reading too slowly. */
  readonly dropped: number
  readonly isSlow: boolean
}

const kind = z.enum(EVENT_TYPES as [EventType])
const day = z.string().regex(/^\d{4}-\d\d-\d\d$/, 'a day is as 2025-06-02')
const counts = {
  ...{ received: z.number(), repaired: z.number(), outOfOrder: z.number() },
  ...{ duplicates: z.number(), quarantined: z.number(), dropped: z.number() },
  ...{ gaps: z.number(), gapsRepaired: z.number(), gapsUnrepaired: z.number() },
}
const ledgerRow = z.object({
  ...{ day, source: z.string(), symbol: z.string(), kind },
  ...counts,
  lag: z
    .object({ p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() })
    .optional()
    .meta({ description: 'ms, from the time of the venue to ours.' }),
})

const scopes = z.array(z.enum(SCOPES as unknown as [Scope]))
const whoSchema = z.object({ name: z.string(), scopes })

/** What the gateway itself is and does: accounts, stores, clients, and how a page shows its key. */
export function houseRoutes(
  context: GatewayContext,
  door: Door,
  clients: () => readonly ClientInfo[],
): Route[] {
  return [
    route({
      ...{ method: 'get', path: '/v1/ledger', scope: 'history' },
      summary: 'What came of each symbol on the days at hand, and what became of it',
      query: z.object({
        day: day.optional().meta({ description: 'UTC. Default: all days at hand.' }),
        ...{ source: z.string().optional(), symbol: z.string().optional() },
      }),
      answer: z.object({ data: z.array(ledgerRow) }),
      handle: ({ query }) => {
        const symbol = query.symbol?.toUpperCase()
        const isMeant = (row: LedgerRow) =>
          (query.day === undefined || row.day === query.day) &&
          (query.source === undefined || row.source === query.source) &&
          (symbol === undefined || row.symbol.toUpperCase() === symbol)
        return json({ data: context.ledger().filter(isMeant) })
      },
    }),
    route({
      ...{ method: 'get', path: '/v1/stores', scope: 'history' },
      summary: 'The stores, how far they have come, and what there is by day and kind',
      answer: z.object({
        stores: z.array(
          z.object({
            ...{ name: z.string(), state: z.string() },
            seq: z.number().optional().meta({ description: 'Number on the tape it has come to.' }),
            behind: z.number().meta({ description: 'Written events it lacks.' }),
            lagMs: z
              .number()
              .optional()
              .meta({ description: 'Since the oldest of them was received; 0 where it has all.' }),
            error: z.object({ code: z.string(), message: z.string() }).optional(),
          }),
        ),
        holdings: z.array(
          z.object({
            ...{ day: z.string(), kind, rows: z.number(), symbols: z.number() },
            ...{ sealed: z.boolean(), bytes: z.number() },
          }),
        ),
      }),
      handle: async ({ signal }) => {
        const stores = context.stores().map(({ name, state, seq, behind, lagMs, error }) => ({
          ...{ name, state, seq, behind, lagMs },
          ...(error && { error: failureOf(error) }),
        }))
        const { store } = context.history ? await storeOf(context, signal) : { store: undefined }
        return json({ stores, holdings: (await store?.holdings()) ?? [] })
      },
    }),
    route({
      ...{ method: 'get', path: '/v1/clients', scope: 'admin' },
      summary: 'Who is connected',
      answer: z.object({
        data: z.array(
          z.object({
            ...{ id: z.string(), name: z.string(), address: z.string(), protocol: z.string() },
            since: z.number().meta({ description: 'Epoch ms.' }),
            ...{ subscriptions: z.number(), symbols: z.number(), bytesSent: z.number() },
            ...{ dropped: z.number(), isSlow: z.boolean() },
          }),
        ),
      }),
      handle: () => json({ data: clients() }),
    }),
    route({
      ...{ method: 'get', path: '/v1/session', scope: undefined },
      summary: 'Who the gateway takes you for',
      answer: whoSchema,
      handle: ({ guest }) => json({ name: guest.name, scopes: [...guest.scopes] }),
    }),
    route({
      ...{ method: 'post', path: '/v1/session', scope: undefined },
      summary: 'Gives a page a cookie in place of its key',
      description:
        'HttpOnly and SameSite=Strict; it ends with the key, with the gateway, or after 12 hours.',
      body: z.object({ key: z.string().min(1) }),
      answer: whoSchema,
      handle: ({ body }) => {
        const { word, held, maxAgeS } = door.openSession(body.key)
        const { name, scopes } = held.record
        return json({ name, scopes }, { headers: { 'set-cookie': cookie(door, word, maxAgeS) } })
      },
    }),
    route({
      ...{ method: 'delete', path: '/v1/session', scope: undefined },
      summary: 'Ends the cookie',
      answer: undefined,
      handle: ({ request }) => {
        door.endSession(request)
        return new Response(null, { status: 204, headers: { 'set-cookie': cookie(door, '', 0) } })
      },
    }),
    route({
      ...{ method: 'post', path: '/v1/tokens', scope: 'read' },
      summary: 'Gives a word that opens one event stream, for pages that cannot send a header',
      answer: z.object({ token: z.string(), expiresInMs: z.number() }),
      handle: ({ visitor }) => {
        if (visitor.key) return json({ token: door.openToken(visitor.key), expiresInMs: TOKEN_MS })
        throw new TickwireError('KEY_REQUIRED', 'a token stands for a key, and none was shown', {
          hint: 'Send the key as `Authorization: Bearer tw_…`. Where no key is needed, no token is either.',
        })
      },
    }),
  ]
}

function cookie({ cookie: name, rules }: Door, word: string, maxAgeS: number): string {
  const secure = rules.isSecure ? '; Secure' : ''
  return `${name}=${word}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}${secure}`
}

function failureOf(error: Error) {
  const { code, message } = refusalOf(error)
  return { code, message: error instanceof TickwireError ? message : error.message }
}
