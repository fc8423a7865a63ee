import { TickwireError } from '../../base/errors.ts'
import type { BarStats } from '../../derive/bars-options.ts'
import type { Interval } from '../../market/events.ts'
import type { Config } from '../config.ts'
import { parseSymbols } from '../flags.ts'
import { amount } from '../rows.ts'
import type { StreamFlags } from './stream.ts'

export interface BarsFlags extends StreamFlags {
  readonly interval: Interval
  readonly from: 'trades' | 'venue'
  readonly forming?: boolean
  readonly tape?: string
  readonly reconcile?: string
  readonly strict?: boolean
}

/** Those named, or of the configuration. @throws NO_SYMBOLS */
export function symbolsOf(words: readonly string[], config: Config): readonly string[] {
  const symbols = parseSymbols(words) ?? config.symbols
  if (symbols) return symbols
  throw new TickwireError('NO_SYMBOLS', 'no symbols given', {
    hint: 'Name at least one, as in `tickwire bars SPY`.',
  })
}

/** What bars made here lack, so that a difference can be laid to it. */
export function leftOut(stats: readonly BarStats[]): string[] {
  const sum = (name: 'tooLate' | 'unmatched' | 'malformed') =>
    stats.reduce((all, one) => all + one[name], 0)
  const said = (count: number, many: string, one = many) =>
    count > 0 ? [`${amount(count)} ${count === 1 ? one : many}`] : []
  return [
    ...said(sum('tooLate'), 'came too late to change their bar'),
    ...said(
      sum('unmatched'),
      'corrections and cancels are of trades that are not there',
      'correction or cancel is of a trade that is not there',
    ),
    ...said(
      sum('malformed'),
      'trades and corrections have no finite price, size or time',
      'trade or correction has no finite price, size or time',
    ),
  ]
}
