import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { simulated } from '../../providers/simulated/provider.ts'
import { type FakeTwsHappening, fakeTws } from '../../testing/fake-tws.ts'
import { parseTwsFaults, type ScriptedTwsFault } from '../../testing/fake-tws-faults.ts'
import { feedFrom } from '../../testing/venue-market.ts'
import type { Surroundings } from '../config.ts'
import { describeError, exitCodeOf, say } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { Run } from '../run.ts'
import { simContracts } from './sim-ibkr-contracts.ts'

export interface SimIbkrFlags {
  readonly port: number
  readonly symbols?: string
  readonly rate: number
  readonly seed: number
  readonly faults?: string
  readonly duration?: number
  readonly debug?: boolean
}

/** `tickwire sim --venue ibkr`: a TWS without Interactive Brokers behind it, fed by the simulated market. */
export async function simIbkr(flags: SimIbkrFlags, around: Surroundings): Promise<number> {
  const given = flags.symbols === undefined ? undefined : parseSymbols([flags.symbols])
  const { names, symbols, contracts } = simContracts(given)
  const market = simulated({ seed: flags.seed, rate: flags.rate, symbols })
  const faults = flags.faults === undefined ? [] : readFaults(flags.faults, around.cwd)

  const run = new Run()
  const clock = systemClock()
  const counts = { events: 0, connections: 0, faults: 0 }
  const tws = fakeTws({
    clock,
    contracts,
    observe: happening => {
      if (happening.type === 'connected') counts.connections++
      if (happening.type === 'fault') counts.faults++
      say(describe(happening))
    },
  })
  try {
    await tws.listen({ port: flags.port })
  } catch (error) {
    await tws.close()
    throw error
  }
  process.stdout.write(
    `SIMULATED · invented prices, not real ones\nTWS     127.0.0.1:${tws.port}\n` +
      `client  any id\nsymbols ${names.join(' ')}\n        TWIN is two contracts, without prices\n`,
  )
  for (const { fault, at, every } of faults) {
    const strike = () => {
      if (run.signal.aborted) return
      tws.fault(fault)
      if (every !== undefined) clock.setTimeout(strike, every, 'idle')
    }
    clock.setTimeout(strike, at, 'idle')
  }
  const startedAt = performance.now()
  const deliver = (batch: Parameters<typeof tws.deliver>[0]) => {
    counts.events += batch.length
    tws.deliver(batch)
  }
  const request = { trades: names, quotes: names, books: names }
  const feed = feedFrom(market, { deliver }, { request })
  if (flags.duration !== undefined) run.endAfter(flags.duration, () => run.done())

  const ending = await run.ended
  await feed.close()
  await tws.close()
  if (ending.type === 'error') {
    say(describeError(ending.error, flags.debug ?? false))
    return exitCodeOf(ending.error)
  }
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  const { events, connections } = counts
  say(`${events} events in ${seconds} s, ${connections} connections, ${counts.faults} faults`)
  return ending.type === 'signal' ? ending.exit : 0
}

/** @throws BAD_CONFIG */
function readFaults(file: string, cwd: string): ScriptedTwsFault[] {
  let text: string
  try {
    text = readFileSync(resolve(cwd, file), 'utf8')
  } catch (cause) {
    const hint = 'Check the path; docs/providers/ibkr.md shows what such a file holds.'
    throw new TickwireError('BAD_CONFIG', `${file} cannot be read`, { hint, cause })
  }
  return parseTwsFaults(text, file)
}

function describe(happening: FakeTwsHappening): string {
  switch (happening.type) {
    case 'connected':
      return `client ${happening.clientId} connected`
    case 'closed':
      return `client ${happening.clientId} closed`
    case 'fault':
      return `fault ${happening.fault.fault}`
    case 'breach':
      return `a client broke a rule: ${happening.what}`
  }
}
