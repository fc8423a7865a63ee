import { type Command, Option } from 'commander'
import { parseMapping } from '../app/import-mapping.ts'
import { checkZone } from '../app/import-time.ts'
import type { ServerName } from '../app/stores.ts'
import type { Adjustment, EventType, Interval } from '../market/events.ts'
import { parseAskedStore, parseEnd } from './asking.ts'
import { backfillSymbols } from './commands/backfill.ts'
import { parseInterval } from './commands/bars.ts'
import { exportFiles, parseFormat, parseStoredKinds } from './commands/export.ts'
import { history, parseAdjustment, parseStored } from './commands/history.ts'
import { importFiles, parseFileFormat } from './commands/import.ts'
import { sql } from './commands/sql.ts'
import { storeInfo, storeRebuild } from './commands/store.ts'
import { storeCompact } from './commands/store-compact.ts'
import {
  parseServer,
  rebuildServer,
  storeCheck,
  storeInit,
  storeStatus,
} from './commands/store-servers.ts'
import type { Surroundings } from './config.ts'
import { countOf, pathOf } from './flags.ts'
import { parseProvider } from './providers.ts'
import { parseMoment } from './replay-flags.ts'
import { PROVIDERS } from './schema.ts'
import { parsePort } from './sim-flags.ts'
import { describeChoices, parseWord } from './venue-flags.ts'

const HISTORY_HELP = `
Kinds: trades quotes bars tickers books statuses lulds imbalances corrections cancels news notices.

Columns on a terminal; one JSON event a line (NDJSON) when piped or with --json, or CSV. Times are venue time, UTC unless
they name a zone, both ends included; a day as --to is meant whole. Bars are those that were stored of the length asked
for, else they are built from stored trades by the sale conditions. While \`tickwire up\` runs it answers.

Examples:
  tickwire history trades SPY --from 2025-06-02T09:30-04:00 --to 2025-06-02T09:35-04:00
  tickwire history bars SPY QQQ --interval 5m --from 2025-06-02 --to 2025-06-06 --csv > week.csv
  tickwire history quotes SPY --as-of 2025-06-02T15:59:59-04:00`

const SQL_HELP = `
Tables: trades quotes tickers bars books statuses lulds imbalances corrections cancels news notices; columns symbol, source,
ts (UTC, to the nanosecond) and the fields of the kind (docs/store.md). One statement that reads; anything else is
refused. A table on a terminal, one JSON object a line when piped or with --json, or CSV. Ctrl-C ends the question.

Exit codes: 0 answered · 2 the statement is wrong, fails or would write · 130 Ctrl-C

Examples:
  tickwire sql "select symbol, count(*) as trades, max(price) from trades group by all order by 2 desc"
  tickwire sql "select time_bucket(interval 5 minutes, ts) as t, sum(size) from trades where symbol = 'SPY' group by 1 order by 1" --csv
  tickwire sql - < question.sql`

const EXPORT_HELP = `
A file for each kind, day (UTC) and symbol: trades/2025-06-02/SPY.parquet. Parquet has the columns of \`tickwire sql\`, CSV and
NDJSON those of the JSON form; all of them go back in by \`tickwire import\`, every field as it was. A file has its name when
it is whole. Run again it goes on where it was ended: what is there is left, what has grown since is written anew. Bars
are those that were stored; those made of trades: \`tickwire history bars --csv\`.

Examples:
  tickwire export --out ./june --from 2025-06-01 --to 2025-06-30
  tickwire export --out ./csv --format csv --kinds trades,quotes --symbols SPY,QQQ`

const IMPORT_HELP = `
CSV (also .gz), NDJSON and Parquet, files or folders. What \`tickwire export\` wrote is taken as it is. For other files --kind says
what the rows are, and columns of well-known names are found by themselves: what is taken for what is shown. --map says the
rest, with the unit of times: iso, s, ms, us, ns; a day and a time of day as date+time. Rows that can be no event (a price
of 0, no time) are counted, listed with their line, and left out. What is there already is not added twice.

Examples:
  tickwire import trades.csv --kind trades --symbol AAPL --dry-run
  tickwire import ticks.parquet --kind quotes --map bid=bp,ask=ap,timestamp=t:ns
  tickwire import klines.csv --kind bars --interval 1m --symbol BTC/USD --columns t,o,h,l,c,v
  tickwire import ./june`

const BACKFILL_HELP = `
Asks a provider's history for each symbol, kind and day (of bars for several days), at the pace its quota allows, and puts it
straight into the store's days; what is there already is not added twice. What has come is known: after Ctrl-C, a kill or an
error of the vendor the same command goes on behind it. Days without trading are left out. While \`tickwire up\` runs, it
stores what comes.

Examples:
  tickwire backfill SPY,TSLA --from 2025-06-02 --to 2025-06-06
  tickwire backfill SPY --from 2024-01-01 --kinds bars --interval 1d --adjustment all
  tickwire backfill BTC/USD --provider kraken --from 2025-06-02 --kinds trades`

const STORE_HELP = `
The embedded store is in .tickwire/store; postgres and redis are the servers set in tickwire.config.yaml. Each goes its own
pace behind the tape: one that was away catches up by itself.

Examples:
  tickwire store info
  tickwire store compact
  tickwire store status
  tickwire store init postgres --print
  tickwire store check
  tickwire store rebuild
  tickwire store rebuild redis`

/** One more of a list. */
const parseServers = (text: string, before: ServerName[] | undefined) => [
  ...(before ?? []),
  parseServer(text),
]

/** Where to ask, or to put what comes, instead of the store of the data folder. */
const ASKED = ['--store <name>', 'embedded, or postgres as set in tickwire.config.yaml'] as const

const BACKFILLED: EventType[] = ['trade', 'bar']

/** The commands about what is stored. Returns those of them that stand below another. */
export function addPastCommands(
  program: Command,
  around: Surroundings,
  finish: (exit: number) => void,
): readonly Command[] {
  const all: Command[] = []
  const asking = (name: string, description: string, above = program) => {
    const command = above.command(name).description(description)
    all.push(command)
    return command
  }

  asking('history', 'print what is stored of symbols')
    .argument('<kind>', 'trades, quotes, bars, tickers, notices …', parseStored)
    .argument('[symbols...]', 'separated by spaces or commas; without any, all')
    .option('--from <time>', 'first venue time, as 2025-06-02 or 2025-06-02T13:30', parseMoment)
    .option('--to <time>', 'last venue time; a day is meant whole', parseEnd)
    .option('--as-of <time>', 'the last of each symbol at that time', parseMoment)
    .option('--interval <length>', 'of bars: 1s to 1d, 500t, 10000v, 1000000$; 1m', parseInterval)
    .option('--adjustment <name>', 'of bars: raw, split, dividend, all', parseAdjustment)
    .option('--source <name>', 'only what came from there')
    .option('--limit <n>', 'end after this many', countOf('--limit'))
    .option('--json', 'one JSON event a line, on a terminal too')
    .option('--csv', 'as CSV, with a first line of names')
    .option(...ASKED, parseAskedStore)
    .addHelpText('after', HISTORY_HELP)
    .action(async (kind, symbols: string[], flags) =>
      finish(await history(kind, symbols, flags, around)),
    )
  asking('sql', 'answer a question in SQL about what is stored')
    .argument('<statement...>', 'in quotes; - reads it from stdin')
    .option('--json', 'one JSON object a line, on a terminal too')
    .option('--csv', 'as CSV, with a first line of names')
    .option(...ASKED, parseAskedStore)
    .addHelpText('after', SQL_HELP)
    .action(async (words: string[], flags) => finish(await sql(words, flags, around)))
  asking('export', 'write what is stored to files')
    .requiredOption('--out <folder>', 'where to', pathOf('--out'))
    .option('--format <name>', 'parquet, csv, ndjson or arrow', parseFormat, 'parquet' as const)
    .option('--kinds <list>', 'any of: trades quotes bars … instead of all', parseStoredKinds)
    .option('--symbols <list>', 'separated by commas, instead of all')
    .option('--from <time>', 'first venue time, as 2025-06-02 or 2025-06-02T13:30', parseMoment)
    .option('--to <time>', 'last venue time; a day is meant whole', parseEnd)
    .option('--force', 'write over files that are in the way')
    .option('--json', 'say what was done as JSON')
    .addHelpText('after', EXPORT_HELP)
    .action(async flags => finish(await exportFiles(flags, around)))
  asking('import', 'take files from elsewhere, or our own exports, into the store')
    .argument('<files...>', 'CSV, NDJSON or Parquet, or folders of them')
    .option('--kind <name>', 'what the rows are: trades, quotes, bars or tickers', parseStored)
    .option('--map <list>', 'FIELD=COLUMN[:UNIT], as price=px,timestamp=time:ns', parseMapping)
    .option('--symbol <name>', 'of all rows')
    .option('--source <name>', 'what they came from, instead of import')
    .option('--zone <name>', 'of times without one, as America/New_York', checkZone)
    .option('--interval <length>', 'of bars', parseInterval)
    .option('--adjustment <name>', 'of bars: raw, split, dividend, all', parseAdjustment)
    .option('--format <name>', 'csv, ndjson or parquet, instead of by the ending', parseFileFormat)
    .option('--columns <list>', 'names for a CSV file whose first line has none')
    .option('--negative-prices', 'take prices below 0')
    .option('--strict', 'take nothing of a file with a row that can be no event')
    .option('--dry-run', 'show what it would be, and take nothing')
    .option('--json', 'say what was done as JSON')
    .option(...ASKED, parseAskedStore)
    .addHelpText('after', IMPORT_HELP)
    .action(async (files: string[], flags) => finish(await importFiles(files, flags, around)))
  asking('backfill', "put a provider's history into the store")
    .argument('[symbols...]', 'separated by spaces or commas, instead of those of the settings')
    .requiredOption('--from <time>', 'first venue time, as 2025-06-02', parseMoment)
    .option('--to <time>', 'last venue time, instead of now; a day is meant whole', parseEnd)
    .addOption(
      new Option('--kinds <list>', 'any of: trades quotes bars')
        .argParser(parseStoredKinds)
        .default(BACKFILLED, 'trades,bars'),
    )
    .option('--interval <length>', 'of bars', parseInterval, '1m' as Interval)
    .option(
      '--adjustment <name>',
      'of bars: raw, split, dividend, all',
      parseAdjustment,
      'raw' as Adjustment,
    )
    .option('-p, --provider <name>', PROVIDERS.join(' '), parseProvider)
    .option('--market <name>', describeChoices('market'), parseWord)
    .option('--feed <name>', describeChoices('feed'), parseWord)
    .option('--port <n>', 'of ibkr: where TWS or IB Gateway listens', parsePort)
    .option('--source <name>', 'on the events, instead of that of the feed or provider')
    .option('--again', 'ask anew for what has come before')
    .option('--json', 'say what was done as JSON')
    .option(...ASKED, parseAskedStore)
    .addHelpText('after', BACKFILL_HELP)
    .action(async (symbols: string[], { kinds, ...flags }) =>
      finish(await backfillSymbols(symbols, { ...flags, stored: kinds }, around)),
    )
  const store = program
    .command('store')
    .description('look after what is stored')
    .addHelpText('after', STORE_HELP)
  const caring = (name: string, description: string, run: typeof storeInfo) =>
    asking(name, description, store)
      .option('--json', 'as JSON')
      .action(async flags => finish(await run(flags, around)))
  caring('info', 'show what is stored, by day and kind', storeInfo)
  caring(
    'compact',
    'put the files of each day together; nothing may have it open meanwhile',
    storeCompact,
  )
  const tapeFlag = ['--tape <folder>', 'which, instead of .tickwire/tape'] as const
  caring('status', 'show how far each store is behind the tape', storeStatus).option(
    ...tapeFlag,
    pathOf('--tape'),
  )
  asking('init', 'make the tables of servers, where they are missing', store)
    .argument('[stores...]', 'postgres, redis; without any, those that are set', parseServers)
    .option('--print', 'print the statements, and make nothing')
    .action(async (names: ServerName[], flags) => finish(await storeInit(names, flags, around)))
  asking('check', 'compare what is in servers with the tape', store)
    .argument('[stores...]', 'postgres, redis; without any, those that are set', parseServers)
    .option(...tapeFlag, pathOf('--tape'))
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExit codes: 0 as on the tape · 6 they differ')
    .action(async (names: ServerName[], flags) => finish(await storeCheck(names, flags, around)))
  asking('rebuild', 'make a store anew from the tape', store)
    .argument(
      '[store]',
      'postgres or redis; without it the embedded one, which nothing may have open',
      parseServer,
    )
    .option('--json', 'as JSON')
    .option(...tapeFlag, pathOf('--tape'))
    .action(async (name: ServerName | undefined, flags) =>
      finish(await (name ? rebuildServer(name, flags, around) : storeRebuild(flags, around))),
    )
  for (const command of all) {
    command
      .option('--data <folder>', 'of tape and store, instead of .tickwire', pathOf('--data'))
      .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
      .option('--debug', 'log to stderr, and show where errors come from')
  }
  return store.commands
}
