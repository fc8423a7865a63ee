// Breaks what brings events to PostgreSQL: the position is committed before the rows.
import { setTimeout as sleep } from 'node:timers/promises'
import { Link } from '../src/store/postgres-driver.ts'

const { run } = Link.prototype
Link.prototype.run = async function (text) {
  if (!/^begin; update /.test(text)) return run.call(this, text)
  const [moved] = await run.call(this, text.replace('begin; ', ''))
  await sleep(20)
  return [...(await run.call(this, 'begin')), moved!]
}
