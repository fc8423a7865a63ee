import type { Found } from '../wire.ts'
import { ask, Refused } from './rest.ts'

interface Answer {
  readonly data: readonly { readonly symbol: string; readonly name?: string }[]
}

const MOST = 30
/** So many of what the gateway itself knows are looked through. */
const KNOWN = 10_000

/** Symbols by what somebody has typed. */
export async function find(text: string, ticket: number): Promise<Found> {
  try {
    const { data } = await ask<Answer>('symbols', { search: text, limit: MOST }).catch(error => {
      // No source has a list of what trades there: then what the gateway itself knows.
      if (error instanceof Refused && error.code === 'UNSUPPORTED') return ofGateway(text)
      throw error
    })
    const symbols = [...new Map(data.map(one => [one.symbol, one])).values()]
    return { type: 'found', ticket, symbols: symbols.slice(0, MOST) }
  } catch {
    // Whoever is refused or cut off here reads so at the top of the page; any symbol can still be typed.
    return { type: 'found', ticket, symbols: [] }
  }
}

async function ofGateway(text: string): Promise<Answer> {
  const { data } = await ask<Answer>('symbols', { limit: KNOWN })
  const wanted = bare(text)
  return { data: data.filter(one => bare(one.symbol).includes(wanted)) }
}

const bare = (text: string) => text.toUpperCase().replace(/[^\p{L}\p{N}]/gu, '')
