// `npm run bench -- NAME [--rounds N] [--minutes N] [--json FILE]`: compiles src/ and bench/ to .bench/ and runs one
// bench there. Compiled, because a loader that rewrites code while it loads it changes what is measured.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

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

rmSync('.bench', { recursive: true, force: true })
const compiler = join(
  dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
  'bin/tsc',
)
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.bench.json'], {
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)
const { main } = await import(pathToFileURL(join('.bench/bench', `${name}.js`)).href)
await main({ ...numbers, ...(options.values.json && { json: options.values.json }) })

function stop(message) {
  console.error(
    `bench: ${message}\n  → npm run bench -- NAME, where NAME is one of: ${names.join(', ')}`,
  )
  process.exit(2)
}
