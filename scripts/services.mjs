// Servers for the tests: PostgreSQL, TimescaleDB, Redis, and a browser. `node scripts/services.mjs [--install]` says which
// there are. In this order: those of TEST_POSTGRES_URL, TEST_TIMESCALE_URL and TEST_REDIS_URL; what answers on the usual
// ports; private ones from installed programs (of PostgreSQL first those of TEST_POSTGRES_BIN), in a folder of their own,
// ended with the process. Where none are installed, --install brings Debian's packages, the browser's too, and so does the
// run of the suites by itself, of the servers, on Debian as root (TEST_INSTALL=no: not). What is still missing is named,
// and its suites are left out.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

/** How long a server may take to come up, or to answer: a busy machine must not leave a suite out. */
const PATIENCE_MS = 20_000

/** A network that swallows everything must not hold the suites for ever. */
const INSTALL_MS = 240_000

const USUAL_POSTGRES = 'postgres://postgres@127.0.0.1:5432/postgres'
const USUAL_REDIS = 'redis://127.0.0.1:6379'

/** The PostgreSQL to test with: `{ url }` of a user that may make databases, or `{ missing }` with the reason. */
export async function findPostgres() {
  const given = process.env.TEST_POSTGRES_URL
  for (const url of given ? [given] : [USUAL_POSTGRES]) {
    const why = await askPostgres(url)
    if (why === undefined) return { url }
    if (given) return { missing: `TEST_POSTGRES_URL: ${why}` }
  }
  if (!program('initdb')) {
    return { missing: 'no PostgreSQL: none on port 5432, none installed (TEST_POSTGRES_URL)' }
  }
  return started('PostgreSQL', startPostgres())
}

/** The same, with TimescaleDB. */
export async function findTimescale() {
  const given = process.env.TEST_TIMESCALE_URL
  if (given) {
    const why = await askPostgres(given, HAS_TIMESCALE)
    return why === undefined ? { url: given } : { missing: `TEST_TIMESCALE_URL: ${why}` }
  }
  const found = await findPostgres()
  if (found.url && (await askPostgres(found.url, HAS_TIMESCALE)) === undefined) return found
  if (!timescaleIsInstalled()) {
    return {
      missing: 'no TimescaleDB: not in the PostgreSQL found, none installed (TEST_TIMESCALE_URL)',
    }
  }
  return started('TimescaleDB', startPostgres({ settings: TIMESCALE }))
}

/** Settings of a private PostgreSQL that has TimescaleDB. */
export const TIMESCALE = {
  shared_preload_libraries: 'timescaledb',
  'timescaledb.telemetry_level': 'off',
}

/** The Redis to test with: `{ url }`, or `{ missing }` with the reason. */
export async function findRedis() {
  const given = process.env.TEST_REDIS_URL
  for (const url of given ? [given] : [USUAL_REDIS]) {
    if (await askRedis(url)) return { url }
    if (given) return { missing: 'TEST_REDIS_URL: nobody answers there' }
  }
  if (!program('redis-server')) {
    return { missing: 'no Redis: none on port 6379, none installed (TEST_REDIS_URL)' }
  }
  return started('Redis', startRedis())
}

/** A private one that cannot be started is missing too, and it is said why. */
async function started(name, starting) {
  try {
    const { url } = await starting
    return { url, isPrivate: true }
  } catch (error) {
    return { missing: `no ${name}: the installed one does not start: ${error.message.trim()}` }
  }
}

/** The Chromium to test pages with: that of TEST_CHROMIUM, or of the system. */
export function findChromium() {
  const path = process.env.TEST_CHROMIUM ?? program('chromium') ?? program('google-chrome')
  return path ? { path } : { missing: 'no Chromium is installed (TEST_CHROMIUM)' }
}

/** Whether private servers can be started here; else why not. */
export const noPostgres = program('initdb') ? false : 'no PostgreSQL is installed'
export const noTimescale = timescaleIsInstalled() ? false : 'no TimescaleDB is installed'
export const noRedis = program('redis-server') ? false : 'no Redis is installed'

const begun = new Set()
process.on('exit', () => {
  for (const { child, folder } of begun) {
    child?.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})

/**
 * A PostgreSQL of one's own on a free port: `url`, `pid`, `stop(signal)`, `start()` again on the same port and folder, `end()` for
 * good. `password` is asked for where it is given; `settings` go into its configuration; `folder` is made for it.
 */
export async function startPostgres({ password, settings = {}, hba, folder: given } = {}) {
  const folder = given ?? mkdtempSync(join(tmpdir(), 'tickwire-postgres-'))
  const owner = ownerOf('postgres')
  if (owner) chownSync(folder, owner.uid, owner.gid)
  const secret = join(folder, 'password')
  const auth =
    password === undefined ? ['--auth=trust'] : ['--auth=scram-sha-256', `--pwfile=${secret}`]
  if (password !== undefined) {
    writeFileSync(secret, `${password}\n`)
    if (owner) chownSync(secret, owner.uid, owner.gid)
  }
  const data = join(folder, 'data')
  const made = spawnSync(
    program('initdb'),
    ['-D', data, '-U', 'postgres', '--encoding=UTF8', '--no-locale', '--no-sync', ...auth],
    { ...owner, cwd: folder, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr || made.error}`)
  const port = await freePort()
  const all = {
    ...{ port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' },
    ...{ shared_buffers: '32MB', max_wal_size: '128MB', logging_collector: 'off', ...settings },
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value}'`)
  writeFileSync(join(data, 'postgresql.auto.conf'), `${lines.join('\n')}\n`)
  if (hba) writeFileSync(join(data, 'pg_hba.conf'), hba)
  const user = password === undefined ? 'postgres' : `postgres:${encodeURIComponent(password)}`
  const url = `postgres://${user}@127.0.0.1:${port}/postgres`
  const run = () =>
    spawn(program('postgres'), ['-D', data], { ...owner, cwd: folder, stdio: 'ignore' })
  const isUp = async () => (await askPostgres(url)) === undefined
  return running({
    folder,
    url,
    port,
    data,
    run,
    isUp,
    stopsBy: 'SIGINT',
    keeps: given !== undefined,
  })
}

/** A Redis of one's own, as {@link startPostgres}; `args` are those of its command line. */
export async function startRedis({ args = [], password, tls = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-redis-'))
  const port = await freePort()
  const listening = tls ? ['--port', '0', '--tls-port', `${port}`] : ['--port', `${port}`]
  const all = [
    ...[...listening, '--bind', '127.0.0.1', '--dir', folder],
    ...(password === undefined ? [] : ['--requirepass', password]),
    ...(args.includes('--save') ? [] : ['--save', '']),
    ...args,
  ]
  const user = password === undefined ? '' : `:${encodeURIComponent(password)}@`
  const url = `${tls ? 'rediss' : 'redis'}://${user}127.0.0.1:${port}`
  const run = () => spawn(program('redis-server'), all, { cwd: folder, stdio: 'ignore' })
  const isUp = () => (tls ? isOpen(port) : askRedis(url))
  return running({ folder, url, port, run, isUp, stopsBy: 'SIGTERM', keeps: false })
}

async function running({ folder, url, port, data, run, isUp, stopsBy, keeps }) {
  const server = { folder, url, port, data, child: undefined }
  const entry = { folder: keeps ? join(folder, 'data') : folder, child: undefined }
  begun.add(entry)
  server.start = async () => {
    let child = run()
    const until = Date.now() + PATIENCE_MS
    while (!(await isUp())) {
      if (Date.now() > until) throw new Error(`${url} does not come up (${child.exitCode})`)
      await sleep(20)
      // What is left of one that was killed may have to end first.
      if (child.exitCode !== null) child = run()
      entry.child = child
    }
    entry.child = child
    server.pid = child.pid
  }
  server.stop = async (signal = stopsBy) => {
    const { child } = entry
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  server.end = async () => {
    await server.stop()
    begun.delete(entry)
    rmSync(entry.folder, { recursive: true, force: true })
  }
  await server.start()
  return server
}

/** What is asked of a server before it is used: the answer, and what is said where it is no. */
const MAY_MAKE = [
  'select rolcreatedb or rolsuper as yes from pg_roles where rolname = current_user',
  'its user may not make databases',
]
// Installed is not enough: the server has to have loaded it.
const HAS_TIMESCALE = [
  "select exists (select 1 from pg_settings where name like 'timescaledb.%') and (select rolsuper from pg_roles where rolname = current_user) as yes",
  'it has no TimescaleDB, or its user is no superuser',
]

/** `undefined` where one answers and is as wanted, else why not. */
async function askPostgres(url, [text, no] = MAY_MAKE) {
  let pg
  try {
    pg = (await import('pg')).default
  } catch {
    return 'the package pg is not installed'
  }
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: PATIENCE_MS })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query(text)
    return rows[0].yes ? undefined : no
  } catch (error) {
    return error.message || error.code || 'nobody answers'
  } finally {
    await client.end().catch(() => {})
  }
}

async function askRedis(url) {
  let redis
  try {
    redis = await import('redis')
  } catch {
    return false
  }
  const client = redis.createClient({
    url,
    socket: { reconnectStrategy: false, connectTimeout: PATIENCE_MS },
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    if (client.isOpen) client.destroy()
  }
}

function isOpen(port) {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Where an installed program is; Debian keeps those of PostgreSQL's servers apart. */
function program(name) {
  const versions = '/usr/lib/postgresql'
  const apart = existsSync(versions)
    ? readdirSync(versions)
        .sort((a, b) => Number(b) - Number(a))
        .map(version => join(versions, version, 'bin'))
    : []
  const given = process.env.TEST_POSTGRES_BIN
  const folders = [
    ...(given ? [given] : []),
    ...apart,
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  return folders.map(folder => join(folder, name)).find(path => existsSync(path))
}

function timescaleIsInstalled() {
  const config = program('initdb') && program('pg_config')
  if (!config) return false
  const { stdout } = spawnSync(config, ['--sharedir'], { encoding: 'utf8' })
  return existsSync(join(`${stdout}`.trim(), 'extension', 'timescaledb.control'))
}

/** Who a server runs as that refuses to be root; `undefined` where it may run as ourselves. */
function ownerOf(user) {
  if (process.getuid?.() !== 0) return undefined
  for (const name of [user, 'nobody']) {
    try {
      const id = flag =>
        Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      // The next one.
    }
  }
  return undefined
}

/** Debian's packages of programs. */
const PACKAGES = { initdb: 'postgresql', 'redis-server': 'redis-server', chromium: 'chromium' }

/**
 * On Debian as root, installs the servers that neither answer, nor are given by URL, nor are installed: a run of all suites
 * is to leave out none of them. TEST_INSTALL=no: they are left out.
 */
export async function installServers() {
  if (process.env.TEST_INSTALL === 'no' || process.getuid?.() !== 0 || !isDebian()) return
  const given = {
    initdb: process.env.TEST_POSTGRES_URL,
    'redis-server': process.env.TEST_REDIS_URL,
  }
  const wanted = Object.keys(given).filter(name => !given[name] && !program(name))
  if (wanted.length === 0) return
  const answers = {
    initdb: async () => (await askPostgres(USUAL_POSTGRES)) === undefined,
    'redis-server': () => askRedis(USUAL_REDIS),
  }
  const missing = []
  for (const name of wanted) if (!(await answers[name]())) missing.push(name)
  if (missing.length === 0) return
  console.log('servers for the suites are missing (TEST_INSTALL=no leaves those suites out)')
  install(missing)
}

/** Whether Debian's packages of these programs are there now; what went wrong is said. */
function install(names) {
  const packages = names.map(name => PACKAGES[name])
  const isRoot = process.getuid?.() === 0
  if (!isDebian() || !(isRoot || program('sudo'))) {
    console.error(`services: to install needs Debian, and root or sudo: ${packages.join(', ')}`)
    return false
  }
  console.log(`installing ${packages.join(', ')}`)
  const apt = [...(isRoot ? [] : ['sudo']), 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get']
  const settings = { stdio: ['inherit', 'ignore', 'inherit'], timeout: INSTALL_MS }
  const run = (...args) => spawnSync(apt[0], [...apt.slice(1), ...args], settings).status
  // What one source of several lacks may be in another, or here already: the second command tells.
  run('update', '-qq')
  // Somebody else may be installing just now.
  const wait = ['-o', 'DPkg::Lock::Timeout=120']
  const status = run(...wait, 'install', '-y', '-qq', '--no-install-recommends', ...packages)
  if (status !== 0) console.error(`services: apt-get could not install ${packages.join(', ')}`)
  return status === 0
}

const isDebian = () => existsSync('/usr/bin/apt-get')

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const missing = Object.keys(PACKAGES).filter(name => !program(name))
  const isAsked = process.argv.includes('--install') && missing.length > 0
  if (isAsked && !install(missing)) process.exitCode = 1
  for (const [name, found] of [
    ['PostgreSQL', await findPostgres()],
    ['TimescaleDB', await findTimescale()],
    ['Redis', await findRedis()],
    ['Chromium', findChromium()],
  ]) {
    const there = found.isPrivate
      ? 'a private one, started with the tests'
      : (found.url ?? found.path)
    console.log(`${name.padEnd(12)} ${there ?? `left out: ${found.missing}`}`)
  }
  process.exit()
}
