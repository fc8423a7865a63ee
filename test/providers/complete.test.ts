// What a provider of this repository has around it, beside its own folder: docs/providers/adding.md lists the same.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { VENUES } from '../../proofs/books-venues.ts'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const list = (path: string) => readdirSync(new URL(path, root)).sort()

/** Sources with no venue behind them; `tickwire` is another of ours, whose tests are those of the gateway. */
const NO_VENUES = ['replay', 'simulated', 'tickwire']
/** Its other side is no venue of its own name. */
const OTHER_SIDES: Readonly<Record<string, string>> = {
  alpaca: './venue-scripted.ts',
  ibkr: './fake-tws-venue.ts',
  json: './venue-plain.ts',
}
/** Whose books are not in the proof, and why. */
const UNPROVED: Readonly<Record<string, string>> = {
  alltick: 'the whole book comes each time',
  openalgo: 'the whole book comes each time',
  ibkr: 'TWS says what rows there are, without a number or checksum',
  json: 'what books are is for the user to say',
}

const venues = list('src/providers').filter(name => !NO_VENUES.includes(name))
const testing = read('src/testing/index.ts')
const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, unknown> }
const suites = ['', 'conformance/', ...venues.map(name => `${name}/`)]
  .filter(folder => existsSync(new URL(`test/providers/${folder}`, root)))
  .flatMap(folder =>
    list(`test/providers/${folder}`).map(file => `test/providers/${folder}${file}`),
  )
  .filter(path => path.endsWith('.ts') && path !== 'test/providers/complete.test.ts')
  .map(read)
  .filter(text => text.includes('providerSuite('))
  .join()

for (const name of venues) {
  describe(name, () => {
    test('can be imported by its name', () => assert.ok(exports[`./${name}`]))
    test('has a page, and a line in the README', () => {
      assert.ok(existsSync(new URL(`docs/providers/${name}.md`, root)))
      assert.ok(read('README.md').includes(`docs/providers/${name}.md`))
    })
    test('has its other side in tickwire/testing', () => {
      assert.ok(testing.includes(`'${OTHER_SIDES[name] ?? `./venue-${name}.ts`}'`))
    })
    test('passes the suite', () => {
      assert.match(suites, new RegExp(`providerSuite\\(\\s*'${name}\\b`))
    })
    test('has its books proved, or says why not', async () => {
      const code = list(`src/providers/${name}`).map(file => read(`src/providers/${name}/${file}`))
      const hasBooks = code.some(text => /new Book\(|type: 'book'/.test(text))
      const isProved = VENUES.some(venue => venue.name === name)
      const isTold = Object.hasOwn(UNPROVED, name)
      assert.ok(!hasBooks || isProved !== isTold, 'proofs/books-venues.ts')
    })
  })
}
