import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { TickwireError } from '../base/errors.ts'
import { bars, parseFrom, parseInterval } from './commands/bars.ts'
import { book } from './commands/book.ts'
import { calendar, parseDays } from './commands/calendar.ts'
import { capture } from './commands/capture.ts'
import { doctor } from './commands/doctor.ts'
import { framesFixture, framesList, framesPlay } from './commands/frames.ts'
import { init } from './commands/init.ts'
import { jsonCheck } from './commands/json.ts'
import { ledger } from './commands/ledger.ts'
import { providers } from './commands/providers.ts'
import { quote } from './commands/quote.ts'
import { record } from './commands/record.ts'
import { replay } from './commands/replay.ts'
import { serve } from './commands/serve.ts'
import { simulate } from './commands/simulate.ts'
import { stream } from './commands/stream.ts'
import { symbolsSearch } from './commands/symbols.ts'
import { tapeCompact, tapeInfo, tapeVerify } from './commands/tape.ts'
import { up } from './commands/up.ts'
import { watch } from './commands/watch.ts'
import type { Surroundings } from './config.ts'
import { describeError, exitCodeOf, say } from './console.ts'
import {
  countOf,
  durationOf,
  parseKinds,
  parsePoll,
  parseRate,
  parseSeed,
  pathOf,
} from './flags.ts'
import { addBotCommands } from './program-bots.ts'
import { addKeysCommands } from './program-keys.ts'
import { addPastCommands } from './program-past.ts'
import { parseProvider } from './providers.ts'
import { parseMoment, parseSpeed } from './replay-flags.ts'
import { PROVIDERS } from './schema.ts'
import { parseListen } from './serving.ts'
import {
  parseConnections,
  parseHold,
  parsePort,
  parseSimRate,
  parseVenue,
  SIM_PORT,
  VENUES,
} from './sim-flags.ts'
import { describeChoices, parseWord } from './venue-flags.ts'

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string }

const STREAM_HELP = `
Output:
  Columns on a terminal; one JSON event a line (NDJSON) when piped or with --json. Everything that is not data
  goes to stderr. Prices that are not live and real say so: SIMULATED, DELAYED, TEST DATA.

Polling:
  What the plan refuses of the stream, and the venue answers when asked, is asked for every 60 s instead: it says POLLED,
  and events carry the flag \`polled\`. --poll 60s asks from the start, --no-poll never.

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
  tickwire stream BTC/USD --market crypto --kinds trades,books
  tickwire stream AAPL --trades --json --limit 1000 > trades.ndjson

Keys are read from ${'`.env`'} or the environment (APCA_API_KEY_ID, APCA_API_SECRET_KEY), never from flags:
  tickwire init`

const BARS_HELP = `
Bars are built here from trades, by the sale conditions of the US tapes, and put right by late trades, corrections and
cancels (docs/bars.md); --from venue shows those it sends. Lengths: 1s to 1d, or what a bar holds: 500t trades,
10000v units, 1000000$ money. --reconcile builds a day's bars from the provider's history, or from --tape, and lists
every field in which the vendor's own differ.

Exit codes: as of stream; with --strict 6 where bars differ.

Examples:
  tickwire bars SPY TSLA --provider simulated --interval 5s
  tickwire bars SPY --interval 500t --tape ./monday
  tickwire bars SPY --reconcile 2025-06-02 --strict`

const BOOK_HELP = `
A ladder that lives in place on a terminal; when piped or with --json one JSON object a line for each change at the top:
bid, bidSize, ask, askSize, spread, mid, microprice, imbalance, with --depth bids and asks too. A slow reader gets the
present, not the past. While the book is not whole the line says "synced": false and why.

Examples:
  tickwire book BTC/USD --provider simulated
  tickwire book ETH/USD --market crypto --depth 20
  tickwire book SPY --provider simulated --once --json`

const UP_HELP = `
Runs the whole engine: all feeds of the configuration at once, recorded to .tickwire/tape and stored in .tickwire/store,
where \`tickwire sql\` and \`tickwire history\` ask for them meanwhile, and shows a live table, or lines as \`stream\` writes
them when piped. Without a key and without a provider or feeds set the market is simulated. What a plan refuses of a
stream is asked for every 60 s, as with \`stream\`; --poll and --no-poll are for all feeds.

Examples:
  tickwire up
  tickwire up SPY QQQ --provider simulated --rate 200`

const SERVE_HELP = `
What \`tickwire up\` does, and a gateway: bots, notebooks and pages read along at http://127.0.0.1:8425, so that one
connection to each vendor is enough for all of them. They may ask for other symbols than these: vendors are asked for what
anybody wants, and for nothing twice. Beyond this machine clients need keys, and vendors their consent.

Examples:
  tickwire serve
  tickwire serve SPY --listen 9000
  curl -i http://127.0.0.1:8425/healthz
  node examples/17-gateway-client.mjs`

const WATCH_HELP = `
What a gateway (\`tickwire serve\`) has, on a terminal: list, book, trades, health; ? shows the keys. Without symbols those the
gateway has already. It comes back by itself when the gateway does, and says what is missing. A key is read from
TICKWIRE_KEY.

Examples:
  tickwire watch
  tickwire watch SPY BTC/USD --url ws://127.0.0.1:9000`

const RECORD_HELP = `
Records trades and quotes unless told otherwise, and shows how it goes: to the tape alone, from which the store takes it
when something is asked of it. \`tickwire replay\` plays it back; a second recording goes on behind the first. What a plan
refuses of the stream is asked for every 60 s and recorded as \`polled\`; --no-poll ends there instead.

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
minute, q ends. With --listen it plays at a gateway, for the page, bots and \`tickwire watch\`.

Examples:
  tickwire replay
  tickwire replay SPY --kinds trades --speed 10
  tickwire replay --listen 8425
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
Speaks the protocol of Alpaca, or with --venue another's, stream and REST, on 127.0.0.1: point any bot
at the address it prints. Prices are SIMULATED. One connection per key and feed, as at the venue; at Alpaca the slot of a
connection that was cut without a closing handshake stays taken for --hold. The fault menu is in docs/testing.md.

Examples:
  tickwire sim --symbols SPY,TSLA --rate 500 --seed 7
  tickwire sim --faults faults.yaml --connections 3 --hold 0s
  tickwire sim --market crypto
  tickwire sim --venue polygon --market forex
  tickwire sim --venue openalgo --port 8765

  TICKWIRE_ALPACA_URL=ws://127.0.0.1:${SIM_PORT}/v2/iex tickwire stream SPY --provider alpaca
  TICKWIRE_POLYGON_URL=ws://127.0.0.1:${SIM_PORT}/stocks POLYGON_API_KEY=any tickwire stream SPY --provider polygon

Any key is accepted, unless TICKWIRE_SIM_KEY and TICKWIRE_SIM_SECRET are set (${'`.env`'} or environment).`

const DOCTOR_HELP = `
Looks at one thing after the other: what is set, the key, the way to the venue and back (by a proxy where one is
set), this machine's clock, what the plan gives, a stream, a subscription, the first tick, the disk. It takes a connection
of the account for a moment. Warnings do not fail.

Exit codes, by the first check that fails:
  0 all well · 2 usage · 3 configuration, key or clock · 4 key refused or plan lacks the data · 5 unreachable, no
  connection free, disk · 130 Ctrl-C

Examples:
  tickwire doctor
  tickwire doctor --feed test
  tickwire doctor SPY TSLA --json | grep '"fail"'`

const CALENDAR_HELP = `
Examples:
  tickwire calendar
  tickwire calendar us --date 2025-07-03 --days 2
  tickwire calendar nse --days 30 --json`

const SYMBOLS_HELP = `
Examples:
  tickwire symbols search BTC --provider kraken
  tickwire symbols search btc-usdt --provider binance --json`

const SIM_MARKETS = describeChoices('market', ['alpaca', 'polygon'])
const MARKET_HELP = describeChoices('market')
const FEED_HELP = describeChoices('feed')

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
  tickwire history bars SPY --interval 5m          what is stored, as bars
  tickwire sql "select count(*) from trades"       and as an answer to a question
  tickwire sim                                     a venue of your own to test against
  tickwire simulate --day 2025-06-02 --tape ./day  a trading day in seconds, to replay
  tickwire init                                    set up keys for real ones
  tickwire doctor                                  what is wrong, and what to do`,
    )

  const watching = (name: string, description: string, from = PROVIDERS.join(' ')) =>
    program
      .command(name)
      .description(description)
      .argument(
        '[symbols...]',
        'separated by spaces or commas; * for all where the provider has it',
      )
      .option('-p, --provider <name>', from, parseProvider)
      .option('--market <name>', MARKET_HELP, parseWord)
      .option('--feed <name>', FEED_HELP, parseWord)
      .option('--port <n>', 'of ibkr: where TWS or IB Gateway listens', parsePort)
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
  const polling = (command: Command) =>
    command
      .option('--poll <time>', 'ask every 60s instead of streaming, from 1s', parsePoll)
      .option('--no-poll', 'end where the plan refuses the stream, instead of asking every 60s')
  const showing = (name: string, description: string) =>
    watchingEvents(name, description).option('--json', 'one JSON event a line, on a terminal too')

  polling(showing('stream', 'print live events'))
    .option('--raw', 'print frames as received from the venue, one a line')
    .addHelpText('after', STREAM_HELP)
    .action(async (symbols: string[], flags) => finish(await stream(symbols, flags, around)))
  program
    .command('bars')
    .description('print bars built from trades, or compare them with the vendor')
    .argument('[symbols...]', 'separated by spaces or commas')
    .option('-p, --provider <name>', PROVIDERS.join(' '), parseProvider)
    .option('--market <name>', MARKET_HELP, parseWord)
    .option('--feed <name>', FEED_HELP, parseWord)
    .option('--interval <length>', '1s to 1d, 500t, 10000v, 1000000$', parseInterval, '1m')
    .option('--from <what>', 'trades or venue', parseFrom, 'trades')
    .option('--forming', 'those whose time still runs too')
    .option('--tape <folder>', 'of what was recorded there', pathOf('--tape'))
    .option('--reconcile <day>', 'compare with the vendor: a day as 2025-06-02')
    .option('--strict', 'with --reconcile: exit code 6 where bars differ')
    .option('--rate <n>', 'of simulated: events a second, or max', parseRate)
    .option('--seed <n>', 'of simulated: which market', parseSeed)
    .option('--duration <time>', 'end after 500ms, 10s, 5m, 1h', durationOf('--duration'))
    .option('--limit <n>', 'end after this many bars', countOf('--limit'))
    .option('--json', 'one JSON object a line, on a terminal too')
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'log to stderr, and show where errors come from')
    .addHelpText('after', BARS_HELP)
    .action(async (symbols: string[], flags) => finish(await bars(symbols, flags, around)))
  program
    .command('book')
    .description('show the order book of a symbol as it lives')
    .argument('<symbol>', 'one, as the provider writes it')
    .option('-p, --provider <name>', PROVIDERS.join(' '), parseProvider)
    .option('--market <name>', MARKET_HELP, parseWord)
    .option('--feed <name>', FEED_HELP, parseWord)
    .option('--depth <n>', 'levels of a side; 10 on a terminal', countOf('--depth'))
    .option('--once', 'show the whole book once, and end')
    .option('--rate <n>', 'of simulated: events a second, or max', parseRate)
    .option('--seed <n>', 'of simulated: which market', parseSeed)
    .option('--duration <time>', 'end after 500ms, 10s, 5m, 1h', durationOf('--duration'))
    .option('--limit <n>', 'end after this many lines', countOf('--limit'))
    .option('--json', 'one JSON object a line, on a terminal too')
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'log to stderr, and show where errors come from')
    .addHelpText('after', BOOK_HELP)
    .action(async (symbol: string, flags) => finish(await book(symbol, flags, around)))
  program
    .command('quote')
    .description('print the latest of each symbol, asked for once, without a stream')
    .argument('<symbols...>', 'separated by spaces or commas')
    .option('-p, --provider <name>', PROVIDERS.join(' '), parseProvider)
    .option('--market <name>', MARKET_HELP, parseWord)
    .option('--feed <name>', FEED_HELP, parseWord)
    .option('--json', 'one JSON event a line')
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'show where errors come from')
    .action(async (symbols: string[], flags) => finish(await quote(symbols, flags, around)))
  polling(showing('up', 'run the engine, record and store, and show a live table'))
    .option('--data <folder>', 'of tape and store, instead of .tickwire', pathOf('--data'))
    .option('--tape <folder>', 'where to record, instead of .tickwire/tape', pathOf('--tape'))
    .option('--no-record', 'keep events in memory only: neither tape nor store')
    .option('--yes', 'start bots whose orders move money without asking')
    .addHelpText('after', UP_HELP)
    .action(async (symbols: string[], flags) => finish(await up(symbols, flags, around)))
  polling(showing('serve', 'the same as up, and let other programs read along at a gateway'))
    .option('--listen <address>', 'port, or host:port, instead of 127.0.0.1:8425', parseListen)
    .option(
      '--alpaca-port <n>',
      "Alpaca's own paths at a port, for clients without a prefix",
      parsePort,
    )
    .option('--polygon-port <n>', 'the same for Polygon', parsePort)
    .option('--openalgo-port <n>', 'the same for OpenAlgo', parsePort)
    .option('--data <folder>', 'of tape and store, instead of .tickwire', pathOf('--data'))
    .option('--tape <folder>', 'where to record, instead of .tickwire/tape', pathOf('--tape'))
    .option('--no-record', 'keep events in memory only: neither tape nor store')
    .option('--yes', 'start bots whose orders move money without asking')
    .addHelpText('after', SERVE_HELP)
    .action(async (symbols: string[], flags) => finish(await serve(symbols, flags, around)))
  program
    .command('watch')
    .description('look at a gateway, on a terminal')
    .argument('[symbols...]', 'separated by spaces or commas; without any, those it has')
    .option('--url <address>', 'of the gateway, instead of ws://127.0.0.1:8425')
    .option('--ascii', 'nothing but letters of the keyboard')
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'show where errors come from')
    .addHelpText('after', WATCH_HELP)
    .action(async (symbols: string[], flags) => finish(await watch(symbols, flags, around)))
  polling(watchingEvents('record', 'write live events to a tape on disk'))
    .option('--tape <folder>', 'where to, instead of .tickwire/tape', pathOf('--tape'))
    .addHelpText('after', RECORD_HELP)
    .action(async (symbols: string[], flags) => finish(await record(symbols, flags, around)))
  const past = addPastCommands(program, around, finish)
  addBotCommands(program, around, finish)
  const keys = addKeysCommands(program, around, finish)
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
    .option(
      '--listen <where>',
      'a gateway for the page and others, instead of printing',
      parseListen,
    )
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
    .command('doctor')
    .description('check keys, network, clock, stream and disk, and say what to do')
    .argument('[symbols...]', 'to ask for, instead of those of the settings')
    .option('-p, --provider <name>', PROVIDERS.join(' '), parseProvider)
    .option('--market <name>', MARKET_HELP, parseWord)
    .option('--feed <name>', FEED_HELP, parseWord)
    .option('--port <n>', 'of ibkr: where TWS or IB Gateway listens', parsePort)
    .addOption(
      new Option('--wait <time>', 'for the first tick, at most')
        .argParser(durationOf('--wait'))
        .default(15_000, '15s'),
    )
    .option('--tape <folder>', 'where to record, instead of .tickwire/tape', pathOf('--tape'))
    .option('--json', 'one JSON object a check, and one that sums up')
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'log to stderr, and show where errors come from')
    .addHelpText('after', DOCTOR_HELP)
    .action(async (symbols: string[], flags) => finish(await doctor(symbols, flags, around)))
  const jsonCommand = program
    .command('json')
    .description('try out the configuration of a vendor nobody wrote a provider for')
  jsonCommand
    .command('check')
    .description('show what a frame becomes, and what is sent')
    .argument('<file>', 'the configuration, YAML or JSON')
    .argument('[frame]', 'as the venue sends it; - reads it from stdin')
    .option('--symbols <list>', 'show what asks for these')
    .option('--json', 'as JSON')
    .option('--debug', 'show where errors come from')
    .action((file: string, frame: string | undefined, flags) =>
      finish(jsonCheck(file, frame, flags, around)),
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
    .option(
      '--venue <name>',
      `whose protocol: ${VENUES.join(' ')} (ibkr: a TWS)`,
      parseVenue,
      'alpaca',
    )
    .option('--market <name>', `${SIM_MARKETS}; without it stocks`, parseWord)
    .option('--port <n>', '0 for any free port', parsePort, SIM_PORT)
    .option('--symbols <list>', 'separated by commas; any name will do')
    .option('--rate <n>', 'events a second over all symbols', parseSimRate, 50)
    .option('--seed <n>', 'which market, and which luck with faults', parseSeed, 1)
    .option('--faults <file>', 'what goes wrong and when, as YAML or JSON')
    .option('--connections <n>', 'connections per key and feed', parseConnections, 1)
    .addOption(
      new Option('--hold <time>', 'of alpaca: how long a cut connection keeps its slot')
        .argParser(parseHold)
        .default(90_000, '90s'),
    )
    .option('--duration <time>', 'end after 500ms, 10s, 5m, 1h', durationOf('--duration'))
    .option('--debug', 'show where errors come from')
    .addHelpText('after', SIM_HELP)
    .action(async flags => {
      // A venue is much to load, and no other command needs it.
      const { sim } = await import('./commands/sim.ts')
      finish(await sim(flags, around))
    })
  program
    .command('providers')
    .description('compare what the providers carry and how they work')
    .option('--json', 'as JSON')
    .option('--debug', 'show where errors come from')
    .action(async flags => finish(await providers(flags)))
  const symbols = program
    .command('symbols')
    .description('look up what a venue lists')
    .addHelpText('after', SYMBOLS_HELP)
  symbols
    .command('search')
    .description('show instruments by symbol, by the name the venue gives them, or by part of one')
    .argument('<text>', 'as you would write it: BTC, btc-usd, XBT/USD')
    .option(
      '-p, --provider <name>',
      'whose list to look in; kraken unless configured',
      parseProvider,
    )
    .option('--limit <n>', 'show so many; 20 on a terminal', countOf('--limit'))
    .option('--json', 'one JSON object a line')
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'show where errors come from')
    .action(async (text: string, flags) => finish(await symbolsSearch(text, flags, around)))
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

  for (const command of [
    program,
    ...program.commands,
    ...tape.commands,
    ...frames.commands,
    ...jsonCommand.commands,
    ...symbols.commands,
    ...past,
    ...keys,
  ]) {
    // Its errors are thrown, to be written in our own form.
    command.exitOverride().configureOutput({ outputError: () => {} })
  }
  return program
}

/** Exit code of a command line that is none. */
const USAGE = 2

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
    // So has that of a group of commands, where none of them was named.
    if (error instanceof CommanderError && error.code === 'commander.help') return USAGE
    const shown = error instanceof CommanderError ? asUsageError(error) : error
    say(describeError(shown, debug))
    return exitCodeOf(shown)
  }
}
