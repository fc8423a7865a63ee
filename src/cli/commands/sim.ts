import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { seededRandom } from '../../base/random.ts'
import { ANY } from '../../market/topics.ts'
import { FEEDS } from '../../providers/alpaca/feeds.ts'
import { alpaca } from '../../providers/alpaca/index.ts'
import { INSTRUMENTS } from '../../providers/simulated/instruments.ts'
import { simulated } from '../../providers/simulated/provider.ts'
import { parseFaults } from '../../testing/faults.ts'
import { feedFrom } from '../../testing/venue-market.ts'
import { type Happening, scriptedVenue } from '../../testing/venue-scripted.ts'
import { loadConfig, type Surroundings, simKeys } from '../config.ts'
import { describeError, exitCodeOf, say } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { Run } from '../run.ts'

export interface SimFlags {
  readonly venue: 'alpaca'
  readonly port: number
  readonly symbols?: string
  readonly rate: number
  readonly seed: number
  readonly faults?: string
  readonly connections: number
  readonly hold: number
  readonly duration?: number
  readonly debug?: boolean
}

/**
 * `tickwire sim`: a venue on this machine, fed by the simulated market, that does what its faults file says.
 * Resolves with the exit code.
 */
export async function sim(flags: SimFlags, around: Surroundings): Promise<number> {
  // Nothing of it is used here, but a mistake in it shall not wait for the next command.
  loadConfig(around)
  const keys = simKeys(around.env)
  const symbols = symbolsOf(flags.symbols)
  const faults = flags.faults === undefined ? [] : readFaults(flags.faults, around.cwd)
  const market = simulated({ seed: flags.seed, rate: flags.rate, symbols })
  const names = symbols.map(symbol => market.symbol(symbol))

  const run = new Run()
  const counts = { events: 0, connections: 0, faults: 0 }
  const venue = scriptedVenue({
    clock: systemClock(),
    random: seededRandom(flags.seed),
    server: {
      ...(keys && { accounts: { [keys.key]: keys.secret } }),
      plan: { connections: flags.connections },
      slotMs: flags.hold,
    },
    // A person's bot may ask as it likes; the headers still count.
    rest: { requestsPerMinute: 10_000 },
    observe: happening => {
      if (happening.type === 'connected') counts.connections++
      if (happening.type === 'fault') counts.faults++
      for (const line of describe(happening)) say(line)
    },
  })
  const startedAt = performance.now()
  try {
    const { url, httpUrl } = await venue.listen({ port: flags.port })
    process.stdout.write(
      `SIMULATED · invented prices, not real ones\n` +
        `stream  ${url}${FEEDS.iex.path}   (also ${otherPaths()})\n` +
        `REST    ${httpUrl}/v2/stocks\n` +
        `keys    ${keys ? 'TICKWIRE_SIM_KEY and TICKWIRE_SIM_SECRET' : 'any key with any secret'}\n` +
        `symbols ${names.join(' ')}\n`,
    )
  } catch (error) {
    await venue.close()
    throw error
  }
  // The script's time starts now that somebody can come.
  for (const fault of faults) venue.script(fault)
  const feed = feedFrom(
    market,
    {
      deliver: batch => {
        counts.events += batch.length
        venue.deliver(batch)
      },
    },
    { request: { trades: names, quotes: names, bars: names } },
  )
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

const otherPaths = () =>
  Object.values(FEEDS)
    .map(({ path }) => path)
    .filter(path => path !== FEEDS.iex.path)
    .join(' ')

/** @throws NO_SYMBOLS, BAD_SYMBOL */
function symbolsOf(text: string | undefined): string[] {
  const given = text === undefined ? undefined : parseSymbols([text])
  const stocks = INSTRUMENTS.filter(({ market }) => market === 'stock').map(one => one.symbol)
  const symbols = given ?? stocks
  const wrong = symbols.find(symbol => !isStock(symbol))
  if (wrong === undefined) return symbols.map(symbol => symbol.toUpperCase())
  throw new TickwireError('BAD_SYMBOL', `not a symbol of a US stock: ${JSON.stringify(wrong)}`, {
    hint: "Alpaca's stock stream has stocks only, such as SPY.",
  })
}

/** Whether a client could subscribe to it: the provider's own check. */
function isStock(text: string): boolean {
  try {
    return alpaca({ key: 'sim', secret: 'sim' }).symbol(text) !== ANY
  } catch {
    return false
  }
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
function describe(happening: Happening): string[] {
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
    case 'said':
      return said(happening)
  }
}

function said({ connection, message }: Extract<Happening, { type: 'said' }>): string[] {
  const { T, msg, code, ...lists } = message
  if (T === 'error') return [`#${connection} error ${code} ${msg}`]
  if (T === 'success') return msg === 'authenticated' ? [`#${connection} authenticated`] : []
  const held = Object.entries(lists).filter(
    (entry): entry is [string, string[]] => Array.isArray(entry[1]) && entry[1].length > 0,
  )
  const shown = held
    .filter(([name]) => name !== 'corrections' && name !== 'cancelErrors')
    .map(([name, symbols]) => `${name} ${shortened(symbols)}`)
  return [`#${connection} subscribed: ${shown.join('; ') || 'nothing'}`]
}

const shortened = (symbols: readonly string[]) =>
  symbols.length > 8
    ? `${symbols.slice(0, 8).join(' ')} and ${symbols.length - 8} more`
    : symbols.join(' ')
