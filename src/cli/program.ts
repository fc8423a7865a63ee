import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { TickwireError } from '../base/errors.ts'
import { calendar, parseDays } from './commands/calendar.ts'
import { capture } from './commands/capture.ts'
import { framesFixture, framesList, framesPlay } from './commands/frames.ts'
import { init } from './commands/init.ts'
import { ledger } from './commands/ledger.ts'
import { record } from './commands/record.ts'
import { replay } from './commands/replay.ts'
import { simulate } from './commands/simulate.ts'
import { stream } from './commands/stream.ts'
import { tapeCompact, tapeInfo, tapeVerify } from './commands/tape.ts'
import { up } from './commands/up.ts'
import type { Surroundings } from './config.ts'
import { describeError, exitCodeOf, say } from './console.ts'
import { countOf, durationOf, parseKinds, parseRate, parseSeed, pathOf } from './flags.ts'
import { parseFeed, parseProvider } from './providers.ts'
import { parseMoment, parseSpeed } from './replay-flags.ts'
import {
  parseConnections,
  parseHold,
  parsePort,
  parseSimRate,
  parseVenue,
  SIM_PORT,
} from './sim-flags.ts'

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string }

const STREAM_HELP = `
Output:
  Columns on a terminal; one JSON event a line (NDJSON) when piped or with --json. Everything that is not data
  goes to stderr. Prices that are not live and real say so: SIMULATED, DELAYED, TEST DATA.

Connections:
  A lost connection is made again until you end it. When not even the first one could be made within 30 s, or
  within --duration, the command ends with exit code 5.

Exit codes:
  0 ended by --duration, --limit or a closed pipe · 1 unexpected · 2 usage · 3 configuration or missing key ·
  4 key refused or plan lacks the data · 5 unreachable · 130 Ctrl-C · 143 SIGTERM

Examples:
  tickwire stream SPY TSLA --provider simulated
  tickwire stream SPY,TSLA --quotes --bars --feed iex
  tickwire stream FAKEPACA --feed test --raw --duration 10s
  tickwire stream AAPL --trades --json --limit 1000 > trades.ndjson

Keys are read from ${'`.env`'} or the environment (APCA_API_KEY_ID, APCA_API_SECRET_KEY), never from flags:
  tickwire init`

const UP_HELP = `
Runs the whole engine, records to .tickwire/tape, and shows a live table, or lines as \`stream\` writes them when
piped. Without a key and without --provider the market is simulated.

Examples:
  tickwire up
  tickwire up SPY QQQ --provider simulated --rate 200`

const RECORD_HELP = `
Records trades and quotes unless told otherwise, and shows how it goes. \`tickwire replay\` plays it back; a second
recording goes on behind the first.

Examples:
  tickwire record SPY TSLA --provider simulated --duration 1m
  tickwire record SPY --feed iex --kinds trades,quotes,bars --tape ./monday`

const SIMULATE_HELP = `
The same day, seed and numbers give the same events. Times are those of the day, prices are invented.

Examples:
  tickwire simulate --day 2025-06-02 --tape ./day
  tickwire simulate --day 2025-06-02 --symbols 500 --events 10000000 --tape ./day
  tickwire replay SPY --tape ./day --speed 60`

const REPLAY_HELP = `
Times are UTC unless they name a zone, and mean when an event was received. Nothing is dropped: the replay waits for
whoever reads its output. Keys on a terminal: space pauses, → or n steps, + and - change the speed, [ and ] seek a
minute, q ends.

Examples:
  tickwire replay
  tickwire replay SPY --kinds trades --speed 10
  tickwire replay --from 2025-06-02T13:30 --to 2025-06-02T13:35 --speed max > five-minutes.ndjson`

const CAPTURE_HELP = `
Frames are kept as they came, before anything has looked at them; what is sent to the venue is not, for keys are in it.

Examples:
  tickwire capture SPY TSLA --feed iex --duration 10m --out monday.capture
  tickwire frames play monday.capture`

const FRAMES_HELP = `
Examples:
  tickwire frames list monday.capture | head
  tickwire frames play monday.capture --json > events.ndjson
  tickwire frames fixture monday.capture --frame 4 > trade.json`

const TAPE_HELP = `
Examples:
  tickwire tape info
  tickwire tape verify ./monday --json`

const SIM_HELP = `
Speaks Alpaca's stock protocol, stream and REST, on 127.0.0.1: point any bot at the address it prints. Prices are
SIMULATED. One connection per key and feed, as at the venue; the slot of a connection that was cut without a
closing handshake stays taken for --hold. The fault menu is in docs/testing.md.

Examples:
  tickwire sim --symbols SPY,TSLA --rate 500 --seed 7
  tickwire sim --faults faults.yaml --connections 3 --hold 0s

  TICKWIRE_ALPACA_URL=ws://127.0.0.1:${SIM_PORT}/v2/iex tickwire stream SPY --provider alpaca

Any key is accepted, unless TICKWIRE_SIM_KEY and TICKWIRE_SIM_SECRET are set (${'`.env`'} or environment).`

const CALENDAR_HELP = `
Examples:
  tickwire calendar
  tickwire calendar us --date 2025-07-03 --days 2
  tickwire calendar nse --days 30 --json`

function build(around: Surroundings, finish: (exit: number) => void): Command {
  const program = new Command('tickwire')
    .description('Live market data: every provider through one typed stream.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .addHelpText(
      'after',
      `
Examples:
  tickwire up                                      moving prices, no key needed
  tickwire stream SPY TSLA --provider simulated    trades as lines
  tickwire record SPY TSLA --provider simulated    a tape, and
  tickwire replay                                  what is on it, again
  tickwire sim                                     a venue of your own to test against
  tickwire simulate --day 2025-06-02 --tape ./day  a trading day in seconds, to replay
  tickwire init                                    set up keys for real ones`,
    )

  const watching = (name: string, description: string, from = 'alpaca or simulated') =>
    program
      .command(name)
      .description(description)
      .argument(
        '[symbols...]',
        'separated by spaces or commas; * for all where the provider has it',
      )
      .option('-p, --provider <name>', from, parseProvider)
      .option('--feed <name>', 'of alpaca: iex sip delayed_sip boats overnight test', parseFeed)
      .option('--trades', 'ask for trades')
      .option('--quotes', 'ask for quotes')
      .option('--bars', 'ask for minute bars')
      .option(
        '--kinds <list>',
        'any of: trades quotes bars tickers statuses lulds imbalances …',
        parseKinds,
      )
      .option('--duration <time>', 'end after 500ms, 10s, 5m, 1h', durationOf('--duration'))
      .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
      .option('--debug', 'log to stderr, and show where errors come from')
  const watchingEvents = (name: string, description: string) =>
    watching(name, description)
      .option('--rate <n>', 'of simulated: events a second, or max', parseRate)
      .option('--seed <n>', 'of simulated: which market', parseSeed)
      .option('--limit <n>', 'end after this many events', countOf('--limit'))
  const showing = (name: string, description: string) =>
    watchingEvents(name, description).option('--json', 'one JSON event a line, on a terminal too')

  showing('stream', 'print live events')
    .option('--raw', 'print frames as received from the venue, one a line')
    .addHelpText('after', STREAM_HELP)
    .action(async (symbols: string[], flags) => finish(await stream(symbols, flags, around)))
  showing('up', 'run the engine, record, and show a live table')
    .option('--tape <folder>', 'where to record, instead of .tickwire/tape', pathOf('--tape'))
    .option('--no-record', 'keep events in memory only')
    .addHelpText('after', UP_HELP)
    .action(async (symbols: string[], flags) => finish(await up(symbols, flags, around)))
  watchingEvents('record', 'write live events to a tape on disk')
    .option('--tape <folder>', 'where to, instead of .tickwire/tape', pathOf('--tape'))
    .addHelpText('after', RECORD_HELP)
    .action(async (symbols: string[], flags) => finish(await record(symbols, flags, around)))
  program
    .command('simulate')
    .description('write a whole simulated trading day to a tape')
    .requiredOption('--day <date>', 'a weekday in New York, as 2025-06-02')
    .option('--symbols <n>', 'how many', countOf('--symbols'), 12)
    .option(
      '--events <n>',
      'trades and quotes of the day, about; 20000 a symbol',
      countOf('--events'),
    )
    .option('--seed <n>', 'which market', parseSeed, 1)
    .option('--kinds <list>', 'instead of trades quotes statuses corrections cancels', parseKinds)
    .option('--tape <folder>', 'where to, instead of .tickwire/tape', pathOf('--tape'))
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'log to stderr, and show where errors come from')
    .addHelpText('after', SIMULATE_HELP)
    .action(async flags => finish(await simulate(flags, around)))
  program
    .command('replay')
    .description('print a tape as if it were live')
    .argument('[symbols...]', 'separated by spaces or commas; without any, all')
    .option('--tape <folder>', 'which, instead of .tickwire/tape', pathOf('--tape'))
    .option('--from <time>', 'begin at what was received then', parseMoment)
    .option('--to <time>', 'end before what was received then', parseMoment)
    .option('--speed <n>', '1 as it happened, 10 ten times as fast, max', parseSpeed, 1)
    .option('--kinds <list>', 'any of: trades quotes bars … instead of all', parseKinds)
    .option(
      '--max-quiet <time>',
      'leave out silences longer than 5s, 10m',
      durationOf('--max-quiet'),
    )
    .option('--paused', 'begin stopped')
    .option('--limit <n>', 'end after this many events', countOf('--limit'))
    .option('--json', 'one JSON event a line, on a terminal too')
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'log to stderr, and show where errors come from')
    .addHelpText('after', REPLAY_HELP)
    .action(async (symbols: string[], flags) => finish(await replay(symbols, flags, around)))
  watching('capture', "keep a venue's own frames in a file", 'alpaca')
    .option('--limit <n>', 'end after this many frames', countOf('--limit'))
    .option('--out <file>', 'which, instead of one named after provider and time', pathOf('--out'))
    .addHelpText('after', CAPTURE_HELP)
    .action(async (symbols: string[], flags) => finish(await capture(symbols, flags, around)))
  const frames = program
    .command('frames')
    .description('look at a capture, or play it')
    .addHelpText('after', FRAMES_HELP)
  const opening = (name: string, description: string, run: typeof framesPlay) =>
    frames
      .command(name)
      .description(description)
      .argument('<file>', 'made by `tickwire capture`')
      .option('--debug', 'log to stderr, and show where errors come from')
      .action(async (file: string, flags) => finish(await run(file, flags, around)))
  opening('list', 'print every frame, one a line', framesList)
  opening('play', 'decode it all again, as if it came over the network', framesPlay)
    .option('--json', 'one JSON event a line, on a terminal too')
    .addOption(
      new Option('--speed <n>', '1 as it came, 10 ten times as fast, max')
        .argParser(parseSpeed)
        .default(Number.POSITIVE_INFINITY, 'max'),
    )
  opening('fixture', 'print a frame and the events in it, for a test', framesFixture).option(
    '--frame <n>',
    'which, by its number in the list',
    countOf('--frame'),
    1,
  )
  program
    .command('ledger')
    .description('show what came on a day, and what became of it')
    .argument('[symbols...]', 'separated by spaces or commas; without any, all')
    .option('--day <date>', 'as 2025-06-02, in UTC; without it, the last')
    .option('--tape <folder>', 'beside which, instead of .tickwire/tape', pathOf('--tape'))
    .option('--json', 'one JSON object a line')
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'show where errors come from')
    .action(async (symbols: string[], flags) => finish(await ledger(symbols, flags, around)))
  const tape = program
    .command('tape')
    .description('look after a tape on disk')
    .addHelpText('after', TAPE_HELP)
  const caring = (name: string, description: string, run: typeof tapeVerify) =>
    tape
      .command(name)
      .description(description)
      .argument('[folder]', 'of the tape, instead of .tickwire/tape', pathOf('the folder'))
      .option('--json', 'as JSON')
      .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
      .option('--debug', 'show where errors come from')
      .action(async (folder: string | undefined, flags) => finish(await run(folder, flags, around)))
  caring('info', 'show what it holds', tapeInfo)
  caring('verify', 'read every event, and say what cannot be read', tapeVerify)
  caring(
    'compact',
    'compress and merge its files; it must not be recorded to meanwhile',
    tapeCompact,
  )
  program
    .command('sim')
    .description("run a venue on this machine that speaks a real one's protocol, faults included")
    .option('--venue <name>', 'whose protocol: alpaca', parseVenue, 'alpaca')
    .option('--port <n>', '0 for any free port', parsePort, SIM_PORT)
    .option('--symbols <list>', 'separated by commas; any name will do')
    .option('--rate <n>', 'events a second over all symbols', parseSimRate, 50)
    .option('--seed <n>', 'which market, and which luck with faults', parseSeed, 1)
    .option('--faults <file>', 'what goes wrong and when, as YAML or JSON')
    .option('--connections <n>', 'connections per key and feed', parseConnections, 1)
    .option('--hold <time>', 'how long a cut connection keeps its slot', parseHold, 90_000)
    .option('--duration <time>', 'end after 500ms, 10s, 5m, 1h', durationOf('--duration'))
    .option('--debug', 'show where errors come from')
    .addHelpText('after', SIM_HELP)
    .action(async flags => {
      // A venue is much to load, and no other command needs it.
      const { sim } = await import('./commands/sim.ts')
      finish(await sim(flags, around))
    })
  program
    .command('calendar')
    .description('show when a market is open')
    .argument('[market]', 'us, nse, hkex, cme, fx or crypto', 'us')
    .option('--date <day>', 'from this day on, as 2025-07-03, instead of today')
    .option('--days <n>', 'this many days', parseDays, 7)
    .option('--json', 'as JSON')
    .option('--debug', 'show where errors come from')
    .addHelpText('after', CALENDAR_HELP)
    .action(async (market: string, flags) => finish(await calendar(market, flags)))
  program
    .command('init')
    .description('set up .env and tickwire.config.yaml here, and ask for keys')
    .option('--force', 'set the keys in the .env that is there, and write the rest anew')
    .action(async flags => finish(await init(flags, around)))

  for (const command of [program, ...program.commands, ...tape.commands, ...frames.commands]) {
    // Its errors are thrown, to be written in our own form.
    command.exitOverride().configureOutput({ outputError: () => {} })
  }
  return program
}

/** commander's errors in our form: `error: unknown option '--x'\n(Did you mean --y?)`. */
function asUsageError(error: CommanderError): TickwireError {
  const [first = '', suggestion] = error.message.split('\n')
  const message = first.replace(/^error: /, '').replace(/\.$/, '')
  const hint = suggestion?.replace(/^\(|\)$/g, '') ?? 'See `tickwire --help`.'
  return new TickwireError('BAD_OPTION', message, { hint })
}

/** Runs one command; resolves with the exit code. Never rejects: what goes wrong is said. */
export async function runCommand(read: () => Surroundings): Promise<number> {
  let debug = false
  try {
    const around = read()
    debug = around.argv.includes('--debug')
    let exit = 0
    const program = build(around, code => {
      exit = code
    })
    if (around.argv.length === 0) program.help()
    await program.parseAsync(around.argv, { from: 'user' })
    return exit
  } catch (error) {
    // Help and version have been printed already.
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const shown = error instanceof CommanderError ? asUsageError(error) : error
    say(describeError(shown, debug))
    return exitCodeOf(shown)
  }
}
