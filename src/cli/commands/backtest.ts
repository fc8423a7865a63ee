import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { TickwireError } from '../../base/errors.ts'
import { type BacktestResult, backtest } from '../../bot/backtest.ts'
import { type Metrics, metricsOf } from '../../bot/metrics.ts'
import type { PaperOptions } from '../../bot/paper-costs.ts'
import { reportHtml, reportJson } from '../../bot/report.ts'
import type { RiskLimits } from '../../bot/risk.ts'
import { findSplits, type Split, splitOn } from '../../bot/splits.ts'
import { paramsOf, type Strategy } from '../../bot/strategy.ts'
import { followFileTape } from '../../tape/file/follow.ts'
import { checkRange, openPast, type PastFlags, runTask } from '../asking.ts'
import { parseRisk } from '../bot-schema.ts'
import { type Config, loadConfig, type Surroundings } from '../config.ts'
import { say } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { Progress } from '../progress.ts'
import type { Run } from '../run.ts'
import { loadStrategy } from '../strategies.ts'
import { type SweepOptions, sweep } from '../sweep.ts'
import { TablePrinter } from '../table.ts'
import { parameterSets } from './parameters.ts'

export interface BacktestFlags extends PastFlags {
  readonly symbols?: string
  readonly from?: number
  readonly to?: number
  readonly param: readonly string[]
  readonly cash: number
  readonly seed: number
  readonly fee?: number
  readonly feeRate?: number
  readonly slippage?: number
  readonly latency?: number
  readonly allowShort?: boolean
  readonly risk: readonly string[]
  readonly walkForward?: WalkForward
  readonly threads?: number
  readonly fromTape?: string
  readonly source?: string
  readonly out?: string
  readonly json?: boolean
}

/** Lengths of the stretches that parameters are chosen over, and of those they are tried on, ms. */
export interface WalkForward {
  readonly chooseMs: number
  readonly tryMs: number
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `20d/5d`. @throws BAD_OPTION */
export function parseWalkForward(text: string): WalkForward {
  const [, a, unitA, b, unitB] = /^(\d+)([mhd])\/(\d+)([mhd])$/.exec(text) ?? []
  const [chooseMs, tryMs] = [Number(a) * UNITS[unitA ?? '']!, Number(b) * UNITS[unitB ?? '']!]
  if (chooseMs > 0 && tryMs > 0) return { chooseMs, tryMs }
  throw new TickwireError('BAD_OPTION', `--walk-forward cannot be ${JSON.stringify(text)}`, {
    hint: 'Give the length to choose over and that to try on, as 20d/5d or 6h/1h.',
  })
}

/** `tickwire backtest`: a strategy over the past. Resolves with the exit code. */
export async function backtestCommand(
  file: string,
  flags: BacktestFlags,
  around: Surroundings,
): Promise<number> {
  checkRange(flags)
  const strategy = await loadStrategy(file, around.cwd)
  const sets = parameterSets(flags.param)
  // Before anything is run, all of them are known to be good.
  for (const given of sets) paramsOf(strategy, given)
  const symbols = parseSymbols(flags.symbols === undefined ? [] : [flags.symbols])
  const list = (symbols ?? strategy.symbols ?? []).map(symbol => symbol.toUpperCase())
  const chosen = commonOf(strategy, list, flags)
  return runTask(flags, async (run, output) => {
    const { source, shown, close, config } = await openSource(flags, around, run)
    try {
      const common = { ...chosen, source, signal: run.signal, file, cwd: around.cwd }
      const splits = await splitsOf(config, common)
      const job: Job = { ...common, splits, sets, ...(flags.threads && { threads: flags.threads }) }
      const { results, best, words } = flags.walkForward
        ? await walkForward(job, flags.walkForward, flags.json ?? false)
        : await tryAll(job, flags.json ?? false)
      if (run.signal.aborted) return 130
      output.put(flags.json ? `${JSON.stringify(results)}\n` : words)
      await output.flush()
      if (best.events === 0) say(`nothing is stored of ${list.join(', ')} in that time: ${shown}`)
      if (flags.out !== undefined) writeReports(best, flags.out, shown, around.cwd)
    } finally {
      await close()
    }
    return 0
  })
}

/** What all runs have in common. */
type Job = Omit<SweepOptions, 'onResult' | 'onProgress'>

interface Outcome {
  /** What `--json` prints; empty without. */
  readonly results: readonly object[]
  readonly best: BacktestResult
  /** What is printed else. */
  readonly words: string
}

/** Each set of parameters over all of the time. */
async function tryAll(job: Job, json: boolean): Promise<Outcome> {
  const { sets } = job
  const rows: string[][] = []
  const results: object[] = []
  const { best, nature } = await bestOf(job, sets.length > 1 ? `${sets.length} runs` : 'running', {
    each: (place, result) => {
      rows[place] = rowOf(result)
      if (json) results[place] = plainOf(result)
    },
  })
  return { results, best, words: tableOf(COLUMNS, rows, nature) }
}

/** Runs them all, and keeps the one that ends with the most; of equal ones the first. */
async function bestOf(
  job: Job,
  label: string,
  { each }: { each(place: number, result: BacktestResult): void },
): Promise<{ best: BacktestResult; bestPlace: number; nature: BacktestResult['nature'] }> {
  const progress = new Progress({ label, unit: 'events' })
  const onProgress = ({ events, now }: { events: number; now: number }) => {
    progress.detail = new Date(now).toISOString().slice(0, 16)
    progress.update(events)
  }
  let best: BacktestResult | undefined
  let bestPlace = 0
  const onResult = (place: number, result: BacktestResult) => {
    each(place, result)
    const more = best === undefined ? 1 : result.endEquity - best.endEquity
    if (more > 0 || (more === 0 && place < bestPlace)) [best, bestPlace] = [result, place]
  }
  try {
    const [only, more] = job.sets
    if (more) await sweep({ ...job, onProgress, onResult })
    else {
      const params = paramsOf(job.strategy, only!)
      onResult(0, await backtest({ ...job, params, onProgress }))
    }
  } finally {
    progress.end()
  }
  return { best: best!, bestPlace, nature: best!.nature }
}

/**
 * Chooses parameters over one stretch and tries them on the next, again and again: what the tries come to, one behind the
 * other, is what choosing so would have made. Each try begins with what the one before left, in cash, and with nothing held.
 */
async function walkForward(
  job: Job,
  { chooseMs, tryMs }: WalkForward,
  json: boolean,
): Promise<Outcome> {
  const { from, to, strategy, sets, cash = 100_000 } = job
  if (from === FIRST_MS || to === LAST_MS) {
    throw new TickwireError('BAD_OPTION', '--walk-forward needs --from and --to', {
      hint: 'Give the whole time, as --from 2025-01-01 --to 2025-06-30.',
    })
  }
  if (from + chooseMs > to) {
    throw new TickwireError('BAD_OPTION', 'the time is too short for one stretch to choose over', {
      hint: 'Take a shorter --walk-forward, or a longer time.',
    })
  }
  const tries: BacktestResult[] = []
  const rows: string[][] = []
  let left = cash
  for (let begin = from; begin + chooseMs <= to; begin += tryMs) {
    if (job.signal?.aborted) break
    const middle = begin + chooseMs
    const label = `stretch ${tries.length + 1}`
    const choosing = { ...job, from: begin, to: middle - 1, cash: left }
    const { best, bestPlace } = await bestOf(choosing, `${label}, choosing`, { each: () => {} })
    const name = `${job.name ?? strategy.name}-${tries.length + 1}`
    const end = Math.min(middle + tryMs - 1, to)
    const trying = { ...job, from: middle, to: end, cash: left, name, sets: [sets[bestPlace]!] }
    const { best: tried } = await bestOf(trying, `${label}, trying`, { each: () => {} })
    tries.push(tried)
    left = tried.endEquity
    const chosenReturn = percent(metricsOf(best).totalReturn)
    rows.push([momentOf(middle), momentOf(end + 1), chosenReturn, ...rowOf(tried)])
  }
  const whole = joined(tries, { name: strategy.name, from, to, cash })
  const words = tableOf(WALK_COLUMNS, [...rows, ['all', '', '', ...rowOf(whole)]], whole.nature)
  return { results: json ? tries.map(plainOf) : [], best: whole, words }
}

/** Runs one behind the other as one. */
function joined(
  tries: readonly BacktestResult[],
  { name, from, to, cash }: { name: string; from: number; to: number; cash: number },
): BacktestResult {
  const all = <T>(of: (result: BacktestResult) => readonly T[]) => tries.flatMap(of)
  const sum = (of: (result: BacktestResult) => number) => tries.reduce((s, one) => s + of(one), 0)
  const span = (one: BacktestResult) => (one.equity.at(-1)?.[0] ?? 0) - (one.equity[0]?.[0] ?? 0)
  const { symbols, seed } = tries[0]!
  const charted = [...new Set(tries.flatMap(({ prices }) => Object.keys(prices)))]
  return {
    ...{ name, symbols, seed, from, to, startCash: cash },
    params: Object.fromEntries(tries.map(one => [momentOf(one.from), one.params])),
    endEquity: tries.at(-1)!.endEquity,
    ...{ fees: sum(one => one.fees), events: sum(one => one.events) },
    ...{ orders: all(one => one.orders), fills: all(one => one.fills) },
    ...{ refused: all(one => one.refused), trips: all(one => one.trips) },
    ...{ equity: all(one => one.equity), log: all(one => one.log) },
    positions: tries.at(-1)!.positions,
    prices: Object.fromEntries(charted.map(it => [it, all(one => one.prices[it] ?? [])])),
    exposure: sum(one => one.exposure * span(one)) / (sum(span) || 1),
    nature: tries.find(({ nature }) => nature)?.nature,
  }
}

function commonOf(strategy: Strategy, symbols: readonly string[], flags: BacktestFlags) {
  const { fee, feeRate, slippage, latency, allowShort, source: sourceName } = flags
  const fees = {
    ...(fee !== undefined && { perUnit: fee }),
    ...(feeRate !== undefined && { rate: feeRate }),
  }
  const paper: PaperOptions = {
    fees,
    ...(slippage !== undefined && { slippageBps: slippage }),
    ...(latency !== undefined && { latencyMs: latency }),
  }
  const risk: RiskLimits = { ...(allowShort && { allowShort }), ...parseRisk(flags.risk) }
  return {
    ...{ strategy, symbols, paper, risk, cash: flags.cash, seed: flags.seed },
    from: flags.from ?? FIRST_MS,
    to: flags.to ?? LAST_MS,
    ...(sourceName !== undefined && { sourceName }),
  }
}

const FIRST_MS = 0
const LAST_MS = 9_000_000_000_000

/** Those of the configuration, and those that the stored daily bars tell of. */
async function splitsOf(
  { splits = [] }: Config,
  { source, symbols, from, to, signal }: Pick<Job, 'source' | 'symbols' | 'from' | 'to' | 'signal'>,
): Promise<Split[]> {
  const listed = splits
    .filter(({ symbol }) => symbols.includes(symbol.toUpperCase()))
    .map(({ symbol, date }) => splitOn(symbol.toUpperCase(), date))
  if (!('history' in source)) return listed
  return [...listed, ...(await findSplits(source, { symbols, from, to }, signal))]
}

async function openSource(flags: BacktestFlags, around: Surroundings, run: Run) {
  if (flags.fromTape !== undefined) {
    const folder = resolve(around.cwd, flags.fromTape)
    const source = await followFileTape({ folder })
    const config = loadConfig(around, { file: flags.config })
    return { source, shown: `the tape in ${flags.fromTape}`, close: () => source.close(), config }
  }
  const { past, shown, config } = await openPast(flags, around, { signal: run.signal })
  return { source: past, shown: `the store in ${shown}`, close: () => past.close(), config }
}

const plainOf = (result: BacktestResult) => {
  const { equity: _equity, prices: _prices, ...rest } = result
  return { ...rest, metrics: metricsOf(result) }
}

const FIGURES = ['return', 'drawdown', 'sharpe', 'trips', 'won', 'fees', 'refused']
const COLUMNS = ['params', ...FIGURES]
const WALK_COLUMNS = ['from', 'to', 'chosen with', 'params', ...FIGURES]

const rowOf = (result: BacktestResult) => [
  paramsText(result.params),
  ...cellsOf(metricsOf(result)),
  String(result.refused.length),
]

function tableOf(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  nature: BacktestResult['nature'],
): string {
  const columns = names.map(name => ({
    name,
    type: FIGURES.includes(name) ? 'DOUBLE' : 'VARCHAR',
  }))
  const table = new TablePrinter(columns, { colors: false, width: () => 200 })
  return (nature ? `${nature} prices, on paper\n` : 'on paper\n') + table.write(rows)
}

const momentOf = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ')
const percent = (share: number) => `${(share * 100).toFixed(2)} %`

const paramsText = (params: unknown) =>
  Object.entries(params as object)
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(' ') || 'none'

function cellsOf(metrics: Metrics): string[] {
  const { totalReturn, maxDrawdown, sharpe, trips, hitRate, fees } = metrics
  return [
    `${(totalReturn * 100).toFixed(2)} %`,
    `${(maxDrawdown * 100).toFixed(2)} %`,
    sharpe?.toFixed(2) ?? '–',
    String(trips),
    hitRate === undefined ? '–' : `${(hitRate * 100).toFixed(0)} %`,
    fees.toFixed(2),
  ]
}

/** The page, and the same as JSON beside it. */
function writeReports(result: BacktestResult, out: string, shown: string, cwd: string): void {
  const page = out.endsWith('.html') ? out : `${out}.html`
  const json = page.replace(/\.html$/, '.json')
  writeFileSync(resolve(cwd, page), reportHtml(result, { data: shown }))
  writeFileSync(resolve(cwd, json), reportJson(result, { data: shown }))
  say(`report in ${page} and ${json}`)
}
