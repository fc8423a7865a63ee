// What a reader of the tutorials does: `tickwire up` beside PostgreSQL and Redis, and the commands that look after them.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parseEvent } from '../../src/market/json.ts'
import { atEnd } from '../store/kit.ts'
import { asOwner, database, skip as noPostgres } from '../store/postgres-kit.ts'
import { asUser, skip as noRedis, prefixOf, url as redisUrl } from '../store/redis-kit.ts'
import { cli, emptyDirectory, lines } from './child.ts'

describe('tickwire with servers', { skip: noPostgres || noRedis }, () => {
  test('brings what it records to PostgreSQL and Redis, and looks after them', async t => {
    const [url, prefix] = [await database(t), await prefixOf(t)]
    const cwd = emptyDirectory()
    atEnd(t, () => rmSync(cwd, { recursive: true }))
    const stores = { postgres: { url, timescale: 'off' }, redis: { url: redisUrl, prefix } }
    const config = { provider: 'simulated', simulated: { rate: 300 }, stores }
    writeFileSync(join(cwd, 'tickwire.config.json'), JSON.stringify(config))
    const run = (...args: string[]) => cli(args, { cwd })

    const up = await run('up', '--limit', '600', '--json')
    assert.equal(up.code, 0, up.stderr)
    assert.match(up.stderr, /^also to PostgreSQL, postgres:/m)
    // What a slow machine leaves is for the next start.
    let said = up.stderr
    const isAll = () => /; in PostgreSQL; in Redis$/m.test(said)
    for (let i = 0; i < 10 && !isAll(); i++) {
      said = (await run('up', '--limit', '1', '--json')).stderr
    }
    assert.ok(isAll(), said)

    const status = await run('store', 'status', '--json')
    const { stores: rows } = JSON.parse(status.stdout) as {
      stores: { name: string; behind: number; lagMs: number; seq: number }[]
    }
    assert.deepEqual(
      rows.slice(1).map(({ name, behind, lagMs }) => [name, behind, lagMs]),
      [
        ['postgres', 0, 0],
        ['redis', 0, 0],
      ],
    )
    assert.ok(rows[1]!.seq >= 600)

    const [[counted]] = (await asOwner(
      "select sum(received)::int from tickwire.ledger where kind in ('trade', 'quote')",
      url,
    )) as [[number]]
    assert.ok(counted >= 600, 'the ledger is there too')

    const asked = ['history', 'trades', 'SPY', '--json'] as const
    const [theirs, ours] = [await run(...asked), await run(...asked, '--store', 'postgres')]
    assert.deepEqual([ours.code, ours.stdout], [0, theirs.stdout])
    const last = lines(ours.stdout).map(parseEvent).at(-1)
    const client = await asUser(t)
    const text = (await client('hget', `${prefix}:latest`, 'simulated:trade:SPY')) as string
    assert.deepEqual(parseEvent(text).timestamp, last?.timestamp)
    const sql = await run(
      'sql',
      '--store',
      'postgres',
      '--json',
      'select count(*)::int n from trades',
    )
    assert.ok((JSON.parse(sql.stdout) as { n: number }).n > 100, sql.stderr)
    const refused = await run('sql', '--store', 'postgres', 'delete from trades')
    assert.equal(refused.code, 2, refused.stderr)
    const none = await run('history', 'trades', 'SPX', '--store', 'postgres')
    assert.match(none.stderr, /no trades of SPX are stored; did you mean SPY\?/)

    const good = await run('store', 'check')
    assert.deepEqual([good.code, good.stdout], [0, ''], good.stderr)
    await asOwner(
      'update tickwire.trades set price = price + 1 where seq = (select max(seq) from tickwire.trades)',
      url,
    )
    await asOwner(
      'delete from tickwire.quotes where seq = (select max(seq) from tickwire.quotes)',
      url,
    )
    await client('hset', `${prefix}:latest`, 'simulated:trade:SPY', text.replace('"SPY"', '"SPX"'))
    const bad = await run('store', 'check')
    assert.equal(bad.code, 6)
    assert.match(
      bad.stderr,
      /\(trade\) is different[\s\S]*\(quote\) is missing|\(quote\) is missing[\s\S]*\(trade\) is different/,
    )
    assert.match(bad.stderr, /Redis: simulated:trade:SPY is another/)
    for (const name of ['postgres', 'redis']) {
      const rebuilt = await run('store', 'rebuild', name)
      assert.equal(rebuilt.code, 0, rebuilt.stderr)
    }
    assert.equal((await run('store', 'check', 'postgres', 'redis')).code, 0)

    const csv = join(cwd, 'trades.csv')
    writeFileSync(
      csv,
      'timestamp,price,size\n2024-01-15T14:30:00Z,10,1\n2024-01-15T14:30:01Z,11,2\n',
    )
    const take = [
      'import',
      csv,
      '--kind',
      'trades',
      '--symbol',
      'OLD',
      '--store',
      'postgres',
    ] as const
    assert.equal((await run(...take)).code, 0)
    assert.match((await run(...take)).stderr, /2 .*(known|there)/)
    assert.equal(
      lines((await run('history', 'trades', 'OLD', '--store', 'postgres')).stdout).length,
      2,
    )
    assert.equal((await run('history', 'trades', 'OLD')).stdout, '')

    const script = await run('store', 'init', 'postgres', '--print')
    const other = await database(t)
    await asOwner(script.stdout, other)
    const there = await asOwner('select value from tickwire.meta order by name', other)
    assert.deepEqual(there, [['partitions'], ['2']])
  })

  test('says what is not set, not known or not there', async () => {
    const none = await cli(['store', 'check', '--data', '.'])
    assert.equal(none.code, 3, none.stderr)
    assert.match(
      (await cli(['store', 'init'])).stderr,
      /no server is set[\s\S]*stores\.postgres\.url/,
    )
    assert.match((await cli(['store', 'rebuild', 'mysql'])).stderr, /no such store: "mysql"/)
    const unset = await cli(['history', 'trades', '--store', 'postgres'])
    assert.deepEqual([unset.code, /TICKWIRE_STORES_POSTGRES_URL/.test(unset.stderr)], [3, true])
    const env = { TICKWIRE_STORES_POSTGRES_URL: 'postgres://u:secret@127.0.0.1:1/d' }
    const away = await cli(['history', 'trades', '--store', 'postgres'], { env })
    assert.equal(away.code, 5, away.stderr)
    assert.doesNotMatch(away.stderr, /secret/)
    const odd = await cli(['store', 'init'], { env: { TICKWIRE_STORES_REDIS_URL: 'http://x' } })
    assert.equal(odd.code, 3)
    assert.match(odd.stderr, /TICKWIRE_STORES_REDIS_URL .*must be a redis:\/\/ address/)
  })
})
