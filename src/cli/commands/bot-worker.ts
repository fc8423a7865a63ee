// The thread a bot runs in: it loads the strategy, reads the tape and saves the state, and tells the command what it did.
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { BotRunner } from '../../bot/runner.ts'
import { paramsOf } from '../../bot/strategy.ts'
import { Flag, type MarketEvent } from '../../market/events.ts'
import { followFileTape } from '../../tape/file/follow.ts'
import { loadStrategy } from '../strategies.ts'
import {
  BEAT_MS,
  BEATS,
  type BotJob,
  EVENT,
  type FromBot,
  plainError,
  stateFile,
  type ToBot,
} from './bot-words.ts'

async function work(job: BotJob): Promise<void> {
  const { cwd, file, given, cash, seed, risk, paper, folder, account } = job
  const stop = new AbortController()
  // Heard from the first moment: who leaves while it is loaded does not say so twice.
  port.on('message', (told: ToBot) => {
    if (told.type === 'stop') stop.abort()
  })
  const strategy = await loadStrategy(file, cwd)
  const params = paramsOf(strategy, given)
  const symbols = (job.symbols ?? strategy.symbols ?? []).map(symbol => symbol.toUpperCase())
  if (symbols.length === 0) {
    throw new TickwireError('NO_SYMBOLS', 'no symbol to run on', { hint: 'As in --symbols SPY.' })
  }
  const name = job.name ?? strategy.name
  post({ type: 'loaded', name })
  await heard('go')
  const tape = await followFileTape({ folder: job.tape })
  const beat = new Float64Array(job.beat)
  const start = account ? (account.kind === 'live' ? 'LIVE' : `PAPER at ${account.name}`) : 'PAPER'
  let nature = start
  let flags = 0
  const runner: BotRunner<unknown> = new BotRunner<unknown>({
    ...{ name, strategy, params, symbols, cash, seed, signal: stop.signal },
    tape: {
      id: tape.id,
      async *read(options) {
        for await (const batch of tape.read(options)) {
          yield batch
          // However much there is to read: what the thread is told has to be heard.
          await new Promise(resolve => setImmediate(resolve))
        }
      },
    },
    ...{ clock: systemClock(), file: stateFile(folder, name), risk, paper },
    ...(account && {
      account: account.name,
      link: {
        send: asked => post({ type: 'asked', asked }),
        refusal: () => {
          if (job.isRehearsal || (flags & NOT_REAL) === 0) return undefined
          return `the prices are not real ones: no order goes to ${account.name} for them`
        },
      },
    }),
    said: line => post({ type: 'said', line }),
    tell: rows => post({ type: 'rows', rows, nature }),
    ready: () => post({ type: 'started', name, symbols, isPaused: runner.loop.isPaused }),
    taking: event => {
      beat[BEATS]!++
      if (event.seq !== undefined) beat[EVENT] = event.seq
      if (event.flags !== flags) nature = natureOf(event, nature, start)
      flags = event.flags
    },
  })
  const ended = new Promise<void>(resolve => {
    port.on('message', (told: ToBot) => {
      if (told.type === 'settled') runner.settle(told.n)
      else if (told.type === 'told') runner.hear(told.order)
      else if (told.type === 'command') runner.command(told.what)
      else if (told.type === 'end') resolve()
    })
  })
  await runner.run()
  await tape.close()
  const { equity, cash: left } = runner.loop
  post({ type: 'stopped', nature, equity, cash: left })
  await ended
  runner.save()
}

/** Waits until it is told something. */
function heard(type: ToBot['type']): Promise<void> {
  return new Promise(resolve => {
    const listen = (told: ToBot) => {
      if (told.type !== type) return
      port.off('message', listen)
      resolve()
    }
    port.on('message', listen)
  })
}

/** What the prices are, in words. */
function natureOf({ flags }: MarketEvent, before: string, start: string): string {
  if ((flags & Flag.simulated) !== 0) return `${start}, SIMULATED prices`
  if ((flags & Flag.replayed) !== 0) return `${start}, REPLAY`
  return (flags & Flag.delayed) !== 0 ? `${start}, DELAYED prices` : before
}

/** Flags of prices that nobody can trade at. */
const NOT_REAL = Flag.simulated | Flag.replayed

const port = parentPort!
const post = (message: FromBot) => port.postMessage(message)

const job = workerData as BotJob
const beat = new Float64Array(job.beat)
const timer = setInterval(() => {
  beat[BEATS]!++
}, BEAT_MS)
work(job)
  .catch(thrown => post({ type: 'failed', error: plainError(thrown) }))
  .finally(() => {
    clearInterval(timer)
    port.close()
  })
