// Loaded before all else in each thread of a writer whose store is to be broken: the position is committed apart from the
// rows that came up to it, and after them.
import { setTimeout as sleep } from 'node:timers/promises'
import { Session } from '../src/store/duckdb.ts'

/** From the commit of the rows to that of the position, ms. */
const APART_MS = 300

const whole = Session.prototype.run
const held = new WeakMap<Session, string[]>()

Session.prototype.run = async function run(sql, values) {
  if (/^update \S+\.tapes set seq/.test(sql)) {
    held.set(this, [...(held.get(this) ?? []), sql])
    return
  }
  await whole.call(this, sql, values)
  const positions = held.get(this)
  if (sql !== 'commit' || !positions) return
  held.delete(this)
  await sleep(APART_MS)
  for (const position of positions) await whole.call(this, position)
}
