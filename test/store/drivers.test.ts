import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const TSX = import.meta.resolve('tsx')
/** As if the packages were not installed. */
const HOOKS =
  'export async function resolve(name, context, next) { if (/^(pg|redis|pg-copy-streams)$/.test(name)) throw new Error("not installed"); return next(name, context) }'
const WITHOUT = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(HOOKS)}`)})`

test('without its driver a server says what to install, and nothing else needs it', () => {
  const script = `
    const { openPostgres } = await import('./src/store/postgres.ts')
    const { openRedis } = await import('./src/store/redis.ts')
    await import('./src/app/app.ts')
    for (const open of [() => openPostgres({ url: 'postgres://x/y' }), () => openRedis({ url: 'redis://x' })]) {
      await open().catch(({ code, message, hint }) => console.log(code, message, hint))
    }`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      ...['--import', TSX, '--import', `data:text/javascript,${encodeURIComponent(WITHOUT)}`],
      ...['--input-type=module', '-e', script],
    ],
    { encoding: 'utf8' },
  )
  assert.match(stdout, /^STORE_DRIVER_MISSING .* `npm install pg pg-copy-streams`/m, stderr)
  assert.match(stdout, /^STORE_DRIVER_MISSING .* `npm install redis`/m)
})
