// A thread of a sweep: some runs of one strategy, which are given the same events.
import { parentPort, workerData } from 'node:worker_threads'
import { BacktestRun } from '../../bot/backtest.ts'
import { paramsOf } from '../../bot/strategy.ts'
import { decodeColumns } from '../../market/columns.ts'
import { loadStrategy } from '../strategies.ts'
import { plainError } from './bot-words.ts'
import type { FromSweep, SweepJob, ToSweep } from './sweep-words.ts'

const port = parentPort!
const post = (message: FromSweep) => port.postMessage(message)

async function start({ file, cwd, sets, run }: SweepJob): Promise<void> {
  const runs: { readonly place: number; readonly it: BacktestRun }[] = []
  for (const { place, given } of sets) {
    // Loaded anew for each: variables of the file are its own.
    const strategy = await loadStrategy(file, cwd)
    runs.push({
      place,
      it: new BacktestRun({ ...run, strategy, params: paramsOf(strategy, given) }),
    })
  }
  port.on('message', (told: ToSweep) => {
    try {
      if (told.type === 'events') {
        // Decoded for each: a strategy that keeps or changes an event has its own.
        for (const { it } of runs) it.take(decodeColumns(told.bytes))
        post({ type: 'taken' })
        return
      }
      for (const { place, it } of runs) post({ type: 'result', place, result: it.result() })
      post({ type: 'over' })
      port.close()
    } catch (thrown) {
      fail(thrown)
    }
  })
  post({ type: 'taken' })
}

function fail(thrown: unknown): void {
  post({ type: 'failed', error: plainError(thrown) })
  port.close()
}

start(workerData as SweepJob).catch(fail)
