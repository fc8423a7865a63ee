import type { Random } from '../src/base/random.ts'
import type { Provider } from '../src/feed/provider.ts'
import { alpaca } from '../src/providers/alpaca/index.ts'
import { binance } from '../src/providers/binance/index.ts'
import { coinbase } from '../src/providers/coinbase/index.ts'
import { kraken } from '../src/providers/kraken/index.ts'
import type { HandClock } from '../src/testing/clock.ts'
import type { FaultOptions } from '../src/testing/faults.ts'
import { binanceVenue } from '../src/testing/venue-binance.ts'
import { coinbaseVenue } from '../src/testing/venue-coinbase.ts'
import type { ScriptedVenue } from '../src/testing/venue-host.ts'
import { krakenVenue } from '../src/testing/venue-kraken.ts'
import { scriptedVenue } from '../src/testing/venue-scripted.ts'

export interface World {
  readonly clock: HandClock
  readonly random: Random
  readonly latencyMs: number
}

/** A venue with books, and a provider whose transports end there. */
export interface BookVenue {
  readonly name: string
  make(world: World): { readonly venue: ScriptedVenue; readonly provider: Provider }
  readonly symbols: readonly string[]
  /** Levels of a side that can be known to be right; all without it. */
  readonly depth: number | undefined
  /** By what a loss shows: numbers, checksums, or nothing. */
  readonly checked: 'numbers' | 'checksums' | undefined
}

export const VENUES: readonly BookVenue[] = [
  {
    name: 'kraken',
    make: world => {
      const venue = krakenVenue(world)
      const { openSocket, httpGet } = venue
      return { venue, provider: kraken({ openSocket, httpGet, clock: world.clock }) }
    },
    // The checksum is over ten levels of a side: of a loss behind them nothing tells until it comes nearer.
    ...{ symbols: ['BTC/USD', 'ETH/USD'], depth: 10, checked: 'checksums' },
  },
  {
    name: 'binance',
    make: world => {
      const venue = binanceVenue(world)
      const { openSocket, httpGet } = venue
      return { venue, provider: binance({ openSocket, httpGet, clock: world.clock }) }
    },
    ...{ symbols: ['BTC/USDT', 'ETH/USDT'], depth: undefined, checked: 'numbers' },
  },
  {
    name: 'coinbase',
    make: world => {
      const venue = coinbaseVenue(world)
      const { openSocket, httpGet } = venue
      return { venue, provider: coinbase({ openSocket, httpGet, clock: world.clock }) }
    },
    ...{ symbols: ['BTC/USD', 'ETH/USD'], depth: undefined, checked: 'numbers' },
  },
  {
    name: 'alpaca',
    make: world => {
      const venue = scriptedVenue({ ...world, server: { slotMs: 1_000 } })
      const { openSocket, httpGet } = venue
      const keys = { key: 'PROOF', secret: 'proof', clock: world.clock }
      return { venue, provider: alpaca({ market: 'crypto', ...keys, openSocket, httpGet }) }
    },
    ...{ symbols: ['BTC/USD', 'ETH/USD'], depth: undefined, checked: undefined },
  },
]

/** Any fault that leaves the venue's promises whole: what no number and no checksum tells of must not be lost. */
export function faultsOf(
  random: Random,
  { name, checked }: Pick<BookVenue, 'name' | 'checked'>,
): readonly FaultOptions[] {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)]!
  const brief = Math.floor(random() * 6_000) + 1
  const times = 1 + Math.floor(random() * 3)
  const lost: FaultOptions = pick([
    { fault: 'cut' },
    { fault: 'cut', reset: false },
    { fault: 'close', code: pick([1_000, 1_001, 1_011]) },
    { fault: 'restart', for: brief },
    { fault: 'stall', for: pick([brief, 40_000]) },
  ] as const)
  const opening: FaultOptions = pick([
    { fault: 'refuse', for: brief },
    { fault: 'upgrade-429', retryAfter: brief },
    { fault: 'upgrade-502', times },
    { fault: 'half-open' },
    { fault: 'welcome-delayed', by: brief },
    { fault: 'symbol-limit' },
  ] as const)
  const harmless: FaultOptions = pick([
    { fault: 'duplicate', times },
    { fault: 'stall', for: Math.min(brief, 4_000) },
    { fault: 'slow-drip', for: brief, bytesPerSecond: 20_000 },
    { fault: 'giant-frame', bytes: 100_000 },
    // That a frame was damaged can be seen everywhere.
    { fault: name === 'alpaca' ? 'truncated-msgpack' : 'corrupt-json', times },
  ] as const)
  const rest: FaultOptions = pick<FaultOptions>([
    { fault: 'rest-error', status: 503, times },
    { fault: 'rest-error', status: 429, retryAfter: brief },
    { fault: 'rest-spoiled', how: pick(['garbage', 'cut', 'silence'] as const) },
  ])
  const frames: FaultOptions = pick<FaultOptions>([
    { fault: 'lost', times },
    { fault: 'reorder', times: 1 },
    { fault: 'mute', for: brief },
    ...(checked === 'checksums' ? ([{ fault: 'bad-checksum' }] as const) : []),
  ])
  const which = random()
  if (which < 0.2) return [lost]
  if (which < 0.4) return [opening, lost]
  if (which < 0.5) return [rest, lost]
  if (which < 0.6 || checked === undefined) return [harmless]
  if (which < 0.7) return [rest, frames]
  return [frames]
}
