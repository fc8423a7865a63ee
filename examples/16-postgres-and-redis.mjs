// 16: the two layers of the tutorials: the latest of every symbol in Redis, every event in PostgreSQL. Servers that are not
// there are named and left out.
//
//   node examples/16-postgres-and-redis.mjs
//   node examples/16-postgres-and-redis.mjs postgres://postgres@127.0.0.1/postgres redis://127.0.0.1:6379
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFeed, openFileTape } from 'tickwire'
import { openPostgresHistory } from 'tickwire/history'
import { openPostgres } from 'tickwire/postgres'
import { openRedis } from 'tickwire/redis'
import { simulated } from 'tickwire/simulated'

const [
  postgresUrl = 'postgres://postgres@127.0.0.1:5432/postgres',
  redisUrl = 'redis://127.0.0.1:6379',
] = process.argv.slice(2)
console.log('SIMULATED: invented prices, not real ones')

// `tickwire up` does all of this with `stores:` in tickwire.config.yaml, and goes on over kills and outages of either side.
const folder = await mkdtemp(join(tmpdir(), 'servers-'))
const tape = await openFileTape({ folder })
const quick = { connectMs: 2_000 }
const stores = []
const open = async (name, opening) => {
  try {
    const store = await opening()
    stores.push(store)
    return store
  } catch (error) {
    console.log(`${name} is left out: ${error.message}`)
    console.log(`  → ${error.hint}`)
  }
}
// Tables and keys of their own, so that nothing of yours is touched.
const schema = 'tickwire_example'
const postgres = await open('PostgreSQL', () =>
  openPostgres({ url: postgresUrl, schema, ...quick }),
)
const redis = await open('Redis', () => openRedis({ url: redisUrl, prefix: schema, ...quick }))

const following = stores.map(store => store.follow(tape))
const feed = openFeed(simulated({ rate: 200 }))
feed.pipe(tape)
await feed.subscribe({ trades: ['SPY', 'TSLA', 'BTC/USD'], quotes: ['SPY'] })
console.log('recording for three seconds …')
await new Promise(resolve => setTimeout(resolve, 3_000))
await feed.close()
// Behind the end of the tape the stores have all of it.
await tape.close()
await Promise.all(following)

if (redis) {
  const [trade] = await redis.latest({ kind: 'trade', symbols: ['SPY'] })
  console.log(`Redis: the latest trade of SPY is ${trade?.price}`)
  console.log(`  redis-cli hget ${redis.keys.latest} simulated:trade:SPY`)
  console.log(`  redis-cli del ${Object.values(redis.keys).join(' ')} takes it away`)
}
if (postgres) {
  const history = await openPostgresHistory({ url: postgresUrl, schema })
  const trades = await history.trades('SPY').toArray()
  console.log(`PostgreSQL: ${trades.length} trades of SPY, the last at ${trades.at(-1)?.price}`)
  const { rows } = await history.sql('select symbol, count(*) from trades group by 1 order by 1')
  for await (const batch of rows) for (const row of batch) console.log(`  ${row.join('  ')}`)
  await history.close()
  console.log(`  drop schema ${schema} cascade; takes it away`)
}
await Promise.all(stores.map(store => store.close()))
await rm(folder, { recursive: true })
