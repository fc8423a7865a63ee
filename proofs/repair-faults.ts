import type { Random } from '../src/base/random.ts'
import type { FaultOptions } from '../src/testing/faults.ts'

/** Wrong answers of history that another question mends. */
const SPOILS = [
  ...(['garbage', 'cut', 'endless', 'repeated', 'shuffled', 'outside', 'stranger'] as const),
  ...(['priceless'] as const),
] as const

interface Menu {
  readonly sockets: boolean
  readonly reorder: boolean
  /** Whether history is taken away for good. */
  readonly deprived: boolean
}

/** Any fault that a retry can mend; those that stop a feed have tests of their own. */
export function nextFault(
  random: Random,
  { sockets, reorder, deprived }: Menu,
): readonly FaultOptions[] {
  const brief = Math.floor(random() * (sockets ? 300 : 5_000)) + 1
  const times = 1 + Math.floor(random() * 3)
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)]!
  const lost: FaultOptions = pick([
    { fault: 'cut' },
    { fault: 'cut', reset: false },
    { fault: 'close', code: pick([1_000, 1_001, 1_011]) },
    { fault: 'slow-client', silent: random() < 0.5 },
    { fault: 'restart', for: brief },
    // No client takes it, or goes on behind it.
    { fault: 'giant-frame' },
  ] as const)
  const opening: FaultOptions = pick([
    { fault: 'refuse', for: brief },
    { fault: 'upgrade-429', times: 1, retryAfter: sockets ? undefined : brief },
    { fault: 'upgrade-502', times },
    { fault: 'auth-error', code: 500, close: true },
    { fault: 'connection-limit', close: random() < 0.5 },
    { fault: 'symbol-limit' },
    // Only found by a missing answer, or asked again after longer than a round on sockets has.
    ...(sockets
      ? []
      : ([
          { fault: 'partial-ack', omit: 1 + Math.floor(random() * 4) },
          { fault: 'half-open' },
          { fault: 'auth-timeout' },
        ] as const)),
    { fault: 'welcome-delayed', by: brief },
  ] as const)
  const frames: FaultOptions = pick([
    { fault: 'duplicate', times },
    { fault: 'corrupt-json', times },
    { fault: 'truncated-msgpack', times },
    { fault: 'stall', for: brief },
    { fault: 'slow-drip', for: brief, bytesPerSecond: 20_000 },
    ...(reorder ? ([{ fault: 'reorder', times }] as const) : []),
    ...(sockets ? [] : ([{ fault: 'late-pong', for: 20_000 }] as const)),
  ] as const)
  const rest: FaultOptions = pick<FaultOptions>([
    { fault: 'rest-error', status: 500, times },
    { fault: 'rest-error', status: 429, ...(sockets ? {} : { retryAfter: brief }) },
    { fault: 'rest-spoiled', how: pick(SPOILS) },
    ...(sockets ? [] : ([{ fault: 'rest-spoiled', how: 'silence' }] as const)),
  ] as const)
  // Nothing tells that a mute connection has lost something but that it is silent, or ends; a frame would never come.
  const end: FaultOptions = lost.fault === 'giant-frame' ? { fault: 'cut' } : lost
  const mute: readonly FaultOptions[] = [
    { fault: 'mute', for: 60_000 },
    { ...end, at: Math.max(50, brief * 3) },
  ]
  // Nor of a frame that never came, unless the connection ends while what is looked through then reaches back to it.
  const never: readonly FaultOptions[] = [
    { fault: 'lost', times },
    { ...lost, at: brief },
  ]
  const which = random()
  if (which < 0.25) return [lost]
  if (which < 0.45) return [opening, lost]
  if (which < 0.55) return [rest, lost]
  if (which < 0.65) return [rest, opening, lost]
  if (which < 0.73) return mute
  // Without history nothing tells of it at all.
  if (which < 0.78) return deprived ? [lost] : never
  if (which < 0.83) return [rest]
  return [frames]
}
