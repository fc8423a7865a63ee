// `npm run prove -- NAME [--rounds N] [--seed S] [--sockets] [--without X[,Y]] [--first] [--at VENUE]`: a seeded experiment, round by
// round. Prints a line for each round that fails, with what repeats it, and ends with `NAME: 200/200 hold`; exit 1 when one does not.
// With `--first` it goes no further than the first that fails, of each that is taken out.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { compile } from './compile.mjs'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))
const names = readdirSync('proofs')
  .filter(file =>
    readFileSync(join('proofs', file), 'utf8').includes('export async function round('),
  )
  .map(file => file.replace(/\.ts$/, ''))

let options
try {
  options = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      sockets: { type: 'boolean', default: false },
      without: { type: 'string' },
      first: { type: 'boolean', default: false },
      at: { type: 'string' },
    },
  })
} catch (error) {
  stop(error.message)
}
const { positionals, values } = options
const [name, ...rest] = positionals
if (!name || rest.length > 0 || !names.includes(name))
  stop(`no such proof: ${positionals.join(' ')}`)
const [rounds, seed] = [Number(values.rounds), Number(values.seed)]
if (!Number.isInteger(rounds) || rounds < 1)
  stop(`--rounds takes a whole number above 0, not ${values.rounds}`)
if (values.seed.trim() === '' || !Number.isSafeInteger(seed + rounds))
  stop(`--seed takes a whole number, not ${values.seed}`)

// A folder of its own: several may run at a time.
const folder = join('.bench', `prove-${process.pid}`)
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))
compile(folder)
const {
  round,
  MUTATIONS,
  PLACES = [],
  summary,
} = await import(pathToFileURL(join(folder, 'proofs', `${name}.js`)).href)
const { sockets, at } = values
const mutations = values.without?.split(',') ?? [undefined]
if (at && !PLACES.includes(at))
  stop(`${name} has no place ${at}; it has: ${PLACES.join(', ') || 'none'}`)
for (const without of mutations)
  if (without !== undefined && !MUTATIONS.includes(without))
    stop(`${name} has no mutation ${without}; it has: ${MUTATIONS.join(', ')}`)

let [held, failed] = [0, 0]
for (const without of mutations) {
  for (let i = 0; i < rounds; i++) {
    const faults = await round(seed + i, { without, sockets, at })
    if (faults.length === 0) {
      held++
      continue
    }
    failed++
    const repeat = `npm run prove -- ${name} --rounds 1 --seed ${seed + i}${sockets ? ' --sockets' : ''}${without ? ` --without ${without}` : ''}${at ? ` --at ${at}` : ''}`
    console.log(`seed ${seed + i}: ${faults.join('; ')}\n  repeat with: ${repeat}`)
    if (values.first) break
  }
}
if (summary) console.log(summary())
console.log(`${name}: ${held}/${held + failed} hold`)
process.exit(failed === 0 ? 0 : 1)

function stop(message) {
  console.error(
    `prove: ${message}\n  → npm run prove -- NAME, where NAME is one of: ${names.join(', ')}`,
  )
  process.exit(2)
}
