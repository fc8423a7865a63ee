import { type Backfilled, backfill } from '../../app/backfill.ts'
import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { Adjustment, EventType, Interval } from '../../market/events.ts'
import { checkRange, openPast, type PastFlags, runTask } from '../asking.ts'
import type { Surroundings } from '../config.ts'
import { describeError, say } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { Progress } from '../progress.ts'
import { chooseProvider } from '../providers.ts'
import { amount } from '../rows.ts'
import { bannerOf, checkFlags, resolveConfig, type StreamFlags } from './stream.ts'

export interface BackfillFlags
  extends PastFlags,
    Pick<StreamFlags, 'provider' | 'market' | 'feed' | 'port'> {
  readonly stored: readonly EventType[]
  readonly from: number
  readonly to?: number
  readonly interval: Interval
  readonly adjustment: Adjustment
  readonly source?: string
  readonly again?: boolean
  readonly json?: boolean
}

/** `tickwire backfill`: a provider's history into the store. Resolves with the exit code. */
export async function backfillSymbols(
  words: readonly string[],
  flags: BackfillFlags,
  around: Surroundings,
): Promise<number> {
  checkRange(flags)
  const { from, to, interval, adjustment, again, provider: named, market, feed, port } = flags
  const config = resolveConfig(around, {
    ...(named && { provider: named }),
    ...(market !== undefined && { market }),
    ...(feed !== undefined && { feed }),
    ...(port !== undefined && { port }),
    ...(flags.config !== undefined && { config: flags.config }),
    ...(flags.debug && { debug: true }),
  })
  const chosen = chooseProvider(config, {})
  checkFlags(chosen, flags)
  const { provider } = chosen
  const given = parseSymbols(words) ?? config.symbols
  if (!given) {
    throw new TickwireError('NO_SYMBOLS', 'no symbols given', {
      hint: 'Name at least one, as in `tickwire backfill SPY,TSLA --from 2025-06-02`.',
    })
  }
  const symbols = given.map(symbol => provider.symbol(symbol))
  const source = flags.source ?? config.each[0]?.source ?? provider.id
  return runTask(flags, async (run, output) => {
    const { past, store } = await openPast(flags, around, { create: true, signal: run.signal })
    const banner = bannerOf(provider.capabilities)
    if (banner) say(banner)
    const progress = new Progress({ label: 'backfilling', unit: 'questions' })
    const startedAt = performance.now()
    try {
      const done = await backfill({
        ...{ provider, source, symbols, kinds: flags.stored, from, interval, adjustment },
        ...(to !== undefined && { to }),
        ...(again && { again }),
        ...{ into: past, store, clock: systemClock(), signal: run.signal },
        onProgress({ done, total, events, at }) {
          progress.total = total
          const day = new Date(at.from).toISOString().slice(0, 10)
          progress.detail = `${at.symbol} ${at.kind}s of ${day}, ${amount(events)} events so far`
          progress.update(done)
        },
        onRetry(error, waitMs) {
          progress.say(describeError(error, flags.debug ?? false))
          progress.say(`  asked again in ${waitMs / 1_000} s`)
        },
      })
      progress.end()
      if (flags.json) await output.put(`${JSON.stringify({ source, symbols, ...done })}\n`)
      for (const line of outcome(done, (performance.now() - startedAt) / 1_000)) say(line)
    } finally {
      progress.end()
      await past.close()
    }
    return 0
  })
}

function outcome(done: Backfilled, seconds: number): string[] {
  const { added, known, asked, before, closed, refused, isWhole } = done
  const parts = [
    `${amount(added)} events added`,
    ...(known > 0 ? [`${amount(known)} were there already`] : []),
    ...(refused > 0 ? [`${amount(refused)} refused, as they can be no events`] : []),
  ]
  const asking = asked === 1 ? '1 question' : `${amount(asked)} questions`
  const rest = [
    ...(before > 0 ? [`${amount(before)} days had come before (--again asks anew)`] : []),
    ...(closed > 0 ? [`${amount(closed)} days without trading`] : []),
  ]
  return [
    `${parts.join(', ')}; ${asking} in ${seconds.toFixed(1)} s`,
    ...(rest.length > 0 ? [rest.join(', ')] : []),
    ...(isWhole
      ? []
      : ['ended before all had come: the same command goes on behind what is stored']),
  ]
}
