import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'

/** Whether and how the holes of a stream are filled in from the provider's history. */
export interface RepairOptions {
  /**
   * What happens to live events while a hole before them is open: `hold` keeps them back until it is closed, at most
   * `maxHoldMs`, so that everything comes in order; `live-first` lets them pass and delivers what was missed behind
   * them; `off` leaves holes open.
   * @default 'hold'
   */
  readonly policy?: 'hold' | 'live-first' | 'off'
  /** `Infinity`: until the hole is closed or given up. @default 3000 */
  readonly maxHoldMs?: number
  /** History lags behind the stream: how long until it is asked again, ms. @default 1500 */
  readonly settleMs?: number
  /**
   * A hole behind which nothing has come yet is filled when history has said the same twice; how long after that history is
   * asked once more, unless the first live event gives a reason to ask before, ms. 0: not at all. @default 30000
   */
  readonly confirmMs?: number
  /** How far before the hole it is looked for events that were delayed into it, ms of venue time. @default 30000 */
  readonly overlapMs?: number
  /** After a longer loss nothing is filled in: that is for a backfill, ms; `Infinity` fills in any. @default 3600000 */
  readonly maxSpanMs?: number
  /** How long it is tried, ms; what had reached the stream by then is looked at once more, for as long again. @default 120000 */
  readonly giveUpMs?: number
}

export const REPAIR_DEFAULTS: Required<RepairOptions> = {
  policy: 'hold',
  maxHoldMs: 3_000,
  settleMs: 1_500,
  confirmMs: 30_000,
  overlapMs: 30_000,
  maxSpanMs: 3_600_000,
  giveUpMs: 120_000,
}

const POLICIES = ['hold', 'live-first', 'off'] as const
const TIMES = ['maxHoldMs', 'settleMs', 'confirmMs', 'overlapMs', 'maxSpanMs', 'giveUpMs'] as const
const ENDLESS: readonly string[] = ['maxHoldMs', 'maxSpanMs']

/** All of the options, with their defaults. @throws BAD_OPTION for what is no policy or no time */
export function repairOptions(options: RepairOptions = {}): Required<RepairOptions> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const all: Required<RepairOptions> = { ...REPAIR_DEFAULTS, ...Object.fromEntries(given) }
  if (!POLICIES.includes(all.policy)) {
    throw new TickwireError('BAD_OPTION', `repair: policy is ${JSON.stringify(all.policy)}`, {
      hint: didYouMean(String(all.policy), POLICIES),
    })
  }
  for (const name of TIMES) {
    const ms = all[name]
    if (
      ms >= 0 &&
      (Number.isFinite(ms) || (ms === Number.POSITIVE_INFINITY && ENDLESS.includes(name)))
    )
      continue
    throw new TickwireError('BAD_OPTION', `repair: ${name} is ${ms}`, {
      hint: `Give milliseconds, 0 or more; ${REPAIR_DEFAULTS[name]} is usual.`,
    })
  }
  return all
}
