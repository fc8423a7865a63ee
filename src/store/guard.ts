import { TickwireError } from '../base/errors.ts'
import type { Session } from './duckdb.ts'

/**
 * Functions that a statement could call as if it read a table, and that change how DuckDB runs, take addresses of
 * memory, run text as a statement of its own, or end the process (a log that is switched on and cannot be written does).
 */
const CALLED =
  /\b(?:arrow_scan|arrow_scan_dumb|seq_scan|checkpoint|force_checkpoint|query|query_table|json_execute_serialized_sql|write_log|read_duckdb)\b"?(?:\s|\/\*[\s\S]*?\*\/|--[^\n]*\n)*\(/i
const NAMED = /\b(?:enable|disable)_(?:logging|profiling|peg_parser)\b|\btruncate_duckdb_logs\b/i
/** Names spelled with escapes. */
const ESCAPED = /\bu&["']/i

const HINT =
  'Ask with one SELECT; what is stored comes from feeds, `tickwire import` and `tickwire backfill`.'

/** Lets only what reads pass. @throws BAD_SQL */
export async function checkReads(session: Session, text: string): Promise<void> {
  const found = CALLED.exec(text) ?? NAMED.exec(text) ?? ESCAPED.exec(text)
  if (found) {
    const [name] = /^[\w&]+/.exec(found[0]) ?? [found[0]]
    throw new TickwireError('BAD_SQL', `${name} cannot be used in a question`, { hint: HINT })
  }
  const kinds = await session.kindsOf(text)
  if (kinds.length === 0) throw new TickwireError('BAD_SQL', 'there is no statement in it')
  if (kinds.length > 1) {
    throw new TickwireError('BAD_SQL', `these are ${kinds.length} statements; one is answered`, {
      hint: 'Ask them one after the other.',
    })
  }
  if (kinds[0] === 'other') {
    throw new TickwireError('BAD_SQL', 'the statement does more than read', { hint: HINT })
  }
}
