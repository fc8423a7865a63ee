import { type Command, Option } from 'commander'
import { TickwireError } from '../base/errors.ts'
import { parseAskedStore, parseEnd } from './asking.ts'
import { BROKERS } from './bot-schema.ts'
import { backtestCommand, parseWalkForward } from './commands/backtest.ts'
import { botList, botNew, botState } from './commands/bot.ts'
import { botKill } from './commands/bot-account.ts'
import { botAsk } from './commands/bot-ask.ts'
import { botLogs } from './commands/bot-logs.ts'
import { botRun } from './commands/bot-run.ts'
import type { Surroundings } from './config.ts'
import { parseDecimal, parseSeed, pathOf } from './flags.ts'
import { parseMoment } from './replay-flags.ts'

const BACKTEST_HELP = `
Runs the strategy of a file over what is stored, on paper: the same loop as live. Several values of a parameter run at once, over
the cores; --walk-forward chooses among them over one stretch of time and tries the choice on the next; --out writes the report of the best as one self-contained page, and as JSON beside it. --from-tape reads a
recording as it was written instead of the store.

Examples:
  tickwire backtest strategy.ts --symbols SPY --from 2025-06-02 --to 2025-06-06
  tickwire backtest strategy.ts --symbols SPY,QQQ --param fast=5..50:5 --param slow=60 --out report.html
  tickwire backtest strategy.ts --from 2025-01-01 --to 2025-06-30 --param fast=5..50:5 --walk-forward 20d/5d
  tickwire backtest strategy.ts --symbols BTC/USD --fee-rate 0.001 --slippage 2 --latency 100`

const BOT_HELP = `
A bot runs on paper, in a thread of its own, on the tape that \`tickwire up\` writes; whatever it does delays nobody else. Those that
the configuration names under \`bots\` run with \`up\` and \`serve\`. What it knows is saved in .tickwire/bots with its place on the tape: after a kill it goes on there, reads what happened meanwhile, and
trades on none of that. One line of JSON for each thing it does. --webhook (or TICKWIRE_WEBHOOK) tells Discord, or any
address that takes JSON.

Examples:
  tickwire bot new crossover
  tickwire bot run crossover.mjs --symbols SPY,QQQ --param period=20 --risk maxPosition=100
  tickwire bot list
  tickwire bot logs crossover --follow`

/** One more of a list. */
const another = (text: string, before: string[]) => [...before, text]

/** A number from 0, for the flag of this name. @throws BAD_OPTION */
const numberOf = (flag: string) => (text: string) => {
  const value = parseDecimal(text)
  if (value !== undefined && value >= 0) return value
  throw new TickwireError('BAD_OPTION', `${flag} cannot be ${JSON.stringify(text)}`, {
    hint: 'Give a number from 0.',
  })
}

/** @throws BAD_OPTION */
function parseThreads(text: string): number {
  const value = parseDecimal(text)
  if (value !== undefined && Number.isInteger(value) && value >= 1 && value <= 256) return value
  throw new TickwireError('BAD_OPTION', `--threads cannot be ${JSON.stringify(text)}`, {
    hint: 'Give a whole number from 1 to 256.',
  })
}

/** @throws BAD_OPTION */
function parseLines(text: string): number {
  const value = parseDecimal(text)
  if (value !== undefined && Number.isInteger(value) && value >= 0) return value
  throw new TickwireError('BAD_OPTION', `--lines cannot be ${JSON.stringify(text)}`, {
    hint: 'Give a whole number from 0.',
  })
}

/** @throws BAD_OPTION */
function parseMemory(text: string): number {
  const value = parseDecimal(text)
  if (value !== undefined && value >= 32 && value <= 65_536) return value
  throw new TickwireError('BAD_OPTION', `--memory cannot be ${JSON.stringify(text)}`, {
    hint: 'Give megabytes, from 32 to 65536.',
  })
}

/** The commands about strategies. */
export function addBotCommands(
  program: Command,
  around: Surroundings,
  finish: (exit: number) => void,
): void {
  program
    .command('backtest')
    .description('run a strategy over the past, on paper')
    .argument('<file>', 'TypeScript or JavaScript, with a strategy as its default export')
    .option('--symbols <list>', 'separated by commas, instead of those of the strategy')
    .option('--from <time>', 'first venue time, as 2025-06-02 or 2025-06-02T13:30', parseMoment)
    .option('--to <time>', 'last venue time; a day is meant whole', parseEnd)
    .option('--param <name=value>', 'a parameter; FROM..TO:STEP for a sweep', another, [])
    .option('--cash <amount>', 'what the account begins with', numberOf('--cash'), 100_000)
    .option('--fee <amount>', 'for each unit traded', numberOf('--fee'))
    .option('--fee-rate <share>', 'of the worth traded: 0.001 is 0.1 %', numberOf('--fee-rate'))
    .option('--slippage <bps>', 'in hundredths of a percent', numberOf('--slippage'))
    .option('--latency <ms>', 'how long an order is on its way; 50', numberOf('--latency'))
    .option('--allow-short', 'sell more than is held')
    .option('--risk <limit=value>', 'as maxPosition=100 or maxDailyLoss=500', another, [])
    .option('--seed <n>', 'of chance', parseSeed, 1)
    .option(
      '--walk-forward <lengths>',
      'choose over the one, try on the other: 20d/5d',
      parseWalkForward,
    )
    .option('--threads <n>', 'of a sweep, instead of one for each core but one', parseThreads)
    .option('--source <name>', 'only what came from there')
    .option('--from-tape <folder>', 'a recording, instead of the store', pathOf('--from-tape'))
    .option(
      '--store <name>',
      'embedded, or postgres as set in tickwire.config.yaml',
      parseAskedStore,
    )
    .option('--data <folder>', 'of tape and store, instead of .tickwire', pathOf('--data'))
    .option('--out <file>', 'where the report goes: report.html', pathOf('--out'))
    .option('--json', 'orders, fills and figures as JSON')
    .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
    .option('--debug', 'log to stderr, and show where errors come from')
    .addHelpText('after', BACKTEST_HELP)
    .action(async (file: string, flags) => finish(await backtestCommand(file, flags, around)))
  const bot = program
    .command('bot')
    .description('run strategies on paper, on live events')
    .addHelpText('after', BOT_HELP)
  const command = (name: string, description: string) =>
    bot
      .command(name)
      .description(description)
      .option('--data <folder>', 'of tape and bots, instead of .tickwire', pathOf('--data'))
      .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
      .option('--debug', 'log to stderr, and show where errors come from')
  bot
    .command('new')
    .description('write a strategy to begin with, and a test beside it')
    .argument('<name>', 'of the strategy and its files')
    .action(async (name: string) => finish(await botNew(name, around)))
  command('run', 'run a strategy until Ctrl-C')
    .argument('<file>', 'TypeScript or JavaScript, with a strategy as its default export')
    .option('--symbols <list>', 'separated by commas, instead of those of the strategy')
    .option('--name <name>', 'of the bot, instead of the strategy')
    .option('--param <name=value>', 'a parameter', another, [])
    .option('--cash <amount>', 'what a new account begins with', numberOf('--cash'), 100_000)
    .option('--allow-short', 'sell more than is held')
    .option('--seed <n>', 'of chance', parseSeed, 1)
    .option('--memory <mb>', 'that the strategy may take', parseMemory, 512)
    .option('--risk <limit=value>', 'as maxPosition=100 or maxDailyLoss=500', another, [])
    .addOption(
      new Option(
        '--broker <name>',
        'orders go to an account there, on paper unless --live',
      ).choices(BROKERS),
    )
    .option('--live', 'with --broker: the account with money; asks first')
    .option('--yes', 'do not ask')
    .option('--webhook <url>', 'told of signals, fills, refusals, errors and each day')
    .option('--ping <url>', 'asked for once a minute while the bot lives')
    .action(async (file: string, flags) => finish(await botRun(file, flags, around)))
  command('list', 'the bots that have run, and what each holds')
    .option('--json', 'one JSON object a line')
    .action(async flags => finish(await botList(flags, around)))
  for (const [what, words] of [
    ['pause', 'let a bot that runs make no more entries, only exits'],
    ['resume', 'let it make entries again'],
    ['flatten', 'pause it, cancel its orders and close what it holds'],
    ['stop', 'end it; its state is kept'],
  ] as const) {
    command(what, words)
      .argument('<name>', 'of the bot')
      .action(async (name: string, flags) => finish(await botAsk(what, name, flags, around)))
  }
  command('kill', 'send no order any more, of any bot, and cancel those that are open')
    .option('--flatten', 'and close at the market what bots hold')
    .option('--why <text>', 'shown wherever an order is refused for it')
    .action(async flags => finish(await botKill('kill', flags, around)))
  command('release', 'end what kill began').action(async flags =>
    finish(await botKill('release', flags, around)),
  )
  command('logs', 'what a bot did, one JSON object a line')
    .argument('<name>', 'of the bot')
    .option('--lines <n>', 'the last so many', parseLines, 100)
    .option('--follow', 'and what comes, until Ctrl-C')
    .action(async (name: string, flags) => finish(await botLogs(name, flags, around)))
  command('state', 'all that a bot has saved, as JSON')
    .argument('<name>', 'of the bot')
    .action(async (name: string, flags) => finish(await botState(name, flags, around)))
}
