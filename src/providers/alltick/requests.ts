/**
 * Subscriptions as messages. Each names all codes of its list and replaces the one before; beyond what the plan carries
 * the venue keeps the first and says nothing of the rest, so no more are sent.
 * https://github.com/alltick/alltick-realtime-forex-crypto-stock-tick-finance-websocket-api/blob/main/websocket_interface/realtime_transaction_quote_subscription.md
 */
import { TickwireError } from '../../base/errors.ts'
import type { Request } from '../../feed/description.ts'
import type { EventType } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import { type AllTickPlan, PLANS } from './plans.ts'
import { COMMANDS } from './replies.ts'
import { codeOf } from './symbols.ts'

type List = 'trade' | 'book'
const LISTS = ['trade', 'book'] as const
const listOf = (kind: EventType): List => (kind === 'trade' || kind === 'ticker' ? 'trade' : 'book')

export interface RequestOptions {
  readonly plan: AllTickPlan
  /** Levels a side of a book. */
  readonly depth: number
}

/** Asks for `topics`, which are among `held`. */
export function subscribeRequests(
  topics: readonly Topic[],
  held: readonly Topic[],
  { plan, depth }: RequestOptions,
): Request[] {
  const { codes } = PLANS[plan]
  return LISTS.flatMap(list => {
    const asked = topics.filter(({ kind }) => listOf(kind) === list)
    const names = new Set(held.filter(({ kind }) => listOf(kind) === list).map(it => it.symbol))
    const room = new Set([...names].slice(0, codes))
    const [fits, rest] = [true, false].map(is => asked.filter(it => room.has(it.symbol) === is))
    const requests: Request[] = []
    if (fits!.length > 0) requests.push(whole(list, fits!, depth))
    if (rest!.length > 0) {
      const refusal = new TickwireError(
        'SYMBOL_LIMIT',
        `the plan ${plan} carries ${codes} codes of a kind on a connection`,
        { hint: 'Ask for fewer, or set plan to what the token has.' },
      )
      requests.push({ frame: '', topics: rest!, refusal })
    }
    return requests
  })
}

/** Lets go of `topics`: the lists they stood on are sent again without them. */
export function unsubscribeRequests(
  topics: readonly Topic[],
  { depth }: RequestOptions,
): Request[] {
  return LISTS.filter(list => topics.some(({ kind }) => listOf(kind) === list)).map(list =>
    whole(list, [], depth),
  )
}

/** All that stands on a list, and `topics`. */
function whole(list: List, topics: readonly Topic[], depth: number): Request {
  return {
    topics,
    frame: (id, granted = () => []) => {
      const members = [...granted(), ...topics].filter(({ kind }) => listOf(kind) === list)
      const levels = new Map<string, number>()
      for (const { symbol, kind } of members) {
        levels.set(symbol, Math.max(levels.get(symbol) ?? 1, kind === 'book' ? depth : 1))
      }
      const codes = [...levels].map(([symbol, depth_level]) => ({
        code: codeOf(symbol),
        ...(list === 'book' && { depth_level }),
      }))
      if (codes.length > 0) return message(COMMANDS[list], id, { symbol_list: codes })
      return message(COMMANDS.cancel, id, { cancel_type: list === 'book' ? 1 : 2 })
    },
  }
}

/** `trace` is required, and only echoed. */
export function message(cmd_id: number, seq_id: number, data: object): string {
  return JSON.stringify({ cmd_id, seq_id, trace: 'tickwire', data })
}
