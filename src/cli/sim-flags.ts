import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { parseDecimal, parseWhole } from './flags.ts'

/** Venues of one market, with nothing to choose. */
export const PLAIN_VENUES = ['openalgo', 'alltick', 'kraken', 'binance', 'coinbase'] as const
export const VENUES = ['alpaca', 'ibkr', 'polygon', ...PLAIN_VENUES] as const
/** Where `tickwire sim` listens when nothing is said. */
export const SIM_PORT = 9_001

/** The most a script could want, and a single connection could carry. */
const MAX_RATE = 1_000_000

/** @throws UNKNOWN_PROVIDER */
export function parseVenue(text: string): (typeof VENUES)[number] {
  const name = VENUES.find(known => known === text.toLowerCase())
  if (name) return name
  throw new TickwireError('UNKNOWN_PROVIDER', `no venue ${JSON.stringify(text)}`, {
    hint: didYouMean(text, VENUES),
  })
}

/** @throws BAD_OPTION */
export function parsePort(text: string): number {
  const port = parseWhole(text)
  if (port !== undefined && port <= 65_535) return port
  throw bad('--port', text, 'Give a number from 1 to 65535, or 0 for any free port.')
}

/** @throws BAD_OPTION */
export function parseSimRate(text: string): number {
  const rate = parseDecimal(text)
  if (rate && rate <= MAX_RATE) return rate
  throw bad('--rate', text, `Give events per second above 0, at most ${MAX_RATE}.`)
}

/** @throws BAD_OPTION */
export function parseConnections(text: string): number {
  const count = parseWhole(text)
  if (count) return count
  throw bad('--connections', text, 'Give a whole number from 1.')
}

/** `90s`, also `0s`. @throws BAD_OPTION */
export function parseHold(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? []
  const ms = Number(number) * (unit === 'm' ? 60_000 : unit === 's' ? 1_000 : 1)
  if (ms <= 86_400_000) return ms
  throw bad('--hold', text, 'Give a number and a unit, as in 0s, 500ms, 90s or 2m.')
}

/** A market the venue has not. */
export function noMarket(
  market: string,
  venue: (typeof VENUES)[number],
  known: readonly string[],
): TickwireError {
  const hint =
    known.length > 0 ? didYouMean(market, known) : `${venue} has no markets: leave it out.`
  return new TickwireError('BAD_OPTION', `${venue} has no market ${JSON.stringify(market)}`, {
    hint,
  })
}

function bad(flag: string, text: string, hint: string): TickwireError {
  return new TickwireError('BAD_OPTION', `${flag} cannot be ${JSON.stringify(text)}`, { hint })
}
