import { z } from 'zod'
import type { GatewayContext } from './context.ts'
import { json, type Route, route } from './route.ts'

const held = z.object({ symbol: z.string(), quantity: z.number() })
const killed = z.object({ why: z.string(), flatten: z.boolean() }).nullable()
const answer = z.object({
  killed: killed.meta({ description: 'Why no order is sent any more; null where they are.' }),
  data: z.array(
    z.object({
      ...{ name: z.string(), kind: z.enum(['paper', 'live']) },
      phase: z.enum(['connecting', 'ready', 'killed', 'stopped', 'closed']),
      why: z.string().optional().meta({ description: 'Why it takes no orders.' }),
      ...{ id: z.string().optional(), currency: z.string().optional() },
      ...{ cash: z.number().optional(), equity: z.number().optional() },
      buyingPower: z.number().optional(),
      lostToday: z
        .number()
        .optional()
        .meta({ description: 'Since the UTC day began, by equity; below 0 where it has grown.' }),
      limits: z.record(z.string(), z.number()),
      bots: z.array(z.object({ bot: z.string(), positions: z.array(held) })),
      others: z.array(held).meta({ description: 'Held, but not by bots.' }),
      openOrders: z.array(
        z.object({
          ...{ id: z.string(), bot: z.string(), symbol: z.string(), side: z.enum(['buy', 'sell']) },
          ...{ type: z.string(), quantity: z.number(), filled: z.number(), status: z.string() },
          ...{ limitPrice: z.number().optional(), stopPrice: z.number().optional() },
        }),
      ),
    }),
  ),
})

/** Accounts at brokers, and the switch that stops all of them; none where no bots can run. */
export function accountRoutes({ accounts }: GatewayContext): Route[] {
  if (!accounts) return []
  const now = () => json({ killed: accounts.killed ?? null, data: accounts.states() })
  return [
    route({
      ...{ method: 'get', path: '/v1/accounts', scope: 'trade' },
      summary: 'The accounts that bots of this process trade with, and how they stand',
      answer,
      handle: now,
    }),
    route({
      ...{ method: 'post', path: '/v1/kill', scope: 'trade' },
      summary:
        'Has no order sent any more, by any account of the data folder, and cancels open ones',
      description: 'As `tickwire bot kill`: over restarts too, until it is taken back.',
      body: z.object({
        why: z.string().max(200).default('by hand'),
        flatten: z
          .boolean()
          .default(false)
          .meta({ description: 'What bots hold is closed at the market, too.' }),
      }),
      answer,
      handle: ({ body }) => {
        accounts.kill(body.why, body.flatten)
        return now()
      },
    }),
    route({
      ...{ method: 'delete', path: '/v1/kill', scope: 'admin' },
      summary: 'Takes the kill back: orders are sent again',
      answer,
      handle: () => {
        accounts.release()
        return now()
      },
    }),
  ]
}
