import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import type { MarketEvent } from '../../market/events.ts'
import { parseFaults } from '../../testing/faults.ts'
import type { HostHappening, HostOptions, ScriptedVenue } from '../../testing/venue-host.ts'
import { describeError, exitCodeOf, say } from '../console.ts'
import { Run } from '../run.ts'

export interface SimHostFlags {
  readonly port: number
  readonly seed: number
  readonly faults?: string
  readonly duration?: number
  readonly debug?: boolean
}

export interface SimHost<M> {
  /** Makes the venue, to be told of everything that happens there. */
  readonly make: (
    options: Pick<HostOptions, 'clock' | 'random'> & {
      readonly observe: (happening: HostHappening<M>) => void
    },
  ) => ScriptedVenue
  /** What the venue said, for a person, without anything secret. */
  readonly said: (happening: Extract<HostHappening<M>, { type: 'said' }>) => readonly string[]
  /** Where it is and how to come in, one line each, once it listens. */
  readonly lines: (at: { readonly url: string; readonly httpUrl: string }) => readonly string[]
  /** Begins to deliver invented events. */
  readonly feed: (deliver: (batch: readonly MarketEvent[]) => void) => { close(): unknown }
}

/** Runs a venue on this machine, faults included, until something ends it. Resolves with the exit code. */
export async function runSim<M>(
  flags: SimHostFlags,
  cwd: string,
  { make, said, lines, feed: open }: SimHost<M>,
): Promise<number> {
  const faults = flags.faults === undefined ? [] : readFaults(flags.faults, cwd)
  const run = new Run()
  const counts = { events: 0, connections: 0, faults: 0 }
  const venue = make({
    clock: systemClock(),
    random: seededRandom(flags.seed),
    observe: happening => {
      if (happening.type === 'connected') counts.connections++
      if (happening.type === 'fault') counts.faults++
      const told = happening.type === 'said' ? said(happening) : describe(happening)
      for (const line of told) say(line)
    },
  })
  const startedAt = performance.now()
  try {
    const at = await venue.listen({ port: flags.port })
    const text = ['SIMULATED · invented prices, not real ones', ...lines(at)].join('\n')
    process.stdout.write(`${text}\n`)
  } catch (error) {
    await venue.close()
    throw error
  }
  // The script's time starts now that somebody can come.
  for (const fault of faults) venue.script(fault)
  const feed = open(batch => {
    counts.events += batch.length
    venue.deliver(batch)
  })
  if (flags.duration !== undefined) run.endAfter(flags.duration, () => run.done())

  const ending = await run.ended
  await feed.close()
  await venue.close()
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
function readFaults(file: string, cwd: string) {
  let text: string
  try {
    text = readFileSync(resolve(cwd, file), 'utf8')
  } catch (cause) {
    const hint = 'Check the path; docs/testing.md shows what such a file holds.'
    throw new TickwireError('BAD_CONFIG', `${file} cannot be read`, { hint, cause })
  }
  return parseFaults(text, file)
}

/** What happened, for a person, without anything secret. */
function describe(happening: Exclude<HostHappening<unknown>, { type: 'said' }>): string[] {
  switch (happening.type) {
    case 'connected':
      return [`#${happening.connection} connected to ${happening.path.split('?', 1)[0]}`]
    case 'closed':
      return [`#${happening.connection} ${happening.clean ? 'closed' : 'cut'}`]
    case 'deaf':
      return [`nobody listens on port ${happening.port}: ${happening.reason}; trying again`]
    case 'refused':
      return [`refused an upgrade with HTTP ${happening.status}`]
    case 'fault': {
      const numbers = happening.connections.map(id => `#${id}`).join(' ')
      return [`fault ${happening.fault}${numbers ? ` on ${numbers}` : ''}`]
    }
  }
}
