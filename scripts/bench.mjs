// `npm run bench -- NAME [--rounds N] [--minutes N] [--json FILE]`: compiles to .bench/ and runs one bench there.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { compile } from './compile.mjs'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))
const names = readdirSync('bench')
  .filter(
    file =>
      file.endsWith('.ts') &&
      readFileSync(join('bench', file), 'utf8').includes('export async function main('),
  )
  .map(file => file.slice(0, -3))

let options
try {
  options = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string' }, minutes: { type: 'string' }, json: { type: 'string' } },
  })
} catch (error) {
  stop(error.message)
}
const [name, ...rest] = options.positionals
if (!name || rest.length > 0 || !names.includes(name))
  stop(`no such bench: ${options.positionals.join(' ')}`)
const numbers = {}
for (const key of ['rounds', 'minutes']) {
  const text = options.values[key]
  if (text === undefined) continue
  numbers[key] = Number(text)
  if (!(numbers[key] > 0)) stop(`--${key} takes a number above 0, not ${text}`)
}

if (/'\.\/(peers|ccxt)\.ts'/.test(readFileSync(join('bench', `${name}.ts`), 'utf8'))) installPeers()
compile('.bench')
const { main } = await import(pathToFileURL(join('.bench/bench', `${name}.js`)).href)
await main({ ...numbers, ...(options.values.json && { json: options.values.json }) })

/** Peers that only benches need, on first use, and again when there are more. */
function installPeers() {
  const { dependencies } = JSON.parse(readFileSync('bench/package.json', 'utf8'))
  if (Object.keys(dependencies).every(name => existsSync(join('bench/node_modules', name)))) return
  const args = ['ci', '--prefix', 'bench', '--ignore-scripts', '--no-audit', '--no-fund']
  const { status, error } = spawnSync('npm', args, { stdio: 'inherit' })
  if (error || status !== 0)
    stop(`the peers of bench/package.json could not be installed: ${error ?? status}`)
}

function stop(message) {
  console.error(
    `bench: ${message}\n  → npm run bench -- NAME, where NAME is one of: ${names.join(', ')}`,
  )
  process.exit(2)
}
