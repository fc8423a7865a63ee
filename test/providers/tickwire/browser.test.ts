// What a browser is given: one module without Node and without a library, and a page that needs nothing else.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { bundleClient } from '../../../scripts/bundle.mjs'

const root = new URL('../../../', import.meta.url)

test('the client for browsers is made of browser-safe files only, and small', async () => {
  const { text, files } = await bundleClient()
  assert.ok(files.length > 10)
  for (const file of files) {
    assert.match(file, /^src\/(base|market|flow|derive|providers\/tickwire)\//)
    // Types are gone by then.
    const code = readFileSync(new URL(file, root), 'utf8').replace(/^import type [^;]*?$/gm, '')
    assert.doesNotMatch(code, /from '(node:|[a-z@])/, file)
  }
  assert.doesNotMatch(text, /node:|\bprocess\.|\bBuffer\b|require\(/)
  assert.match(text, /export\s*\{[^}]*\bconnect\b/)
  assert.ok(text.length < 80_000, `${text.length} bytes`)
})

test('the page takes forty lines, and shows what its data is', () => {
  const page = readFileSync(new URL('examples/browser.html', root), 'utf8')
  assert.ok(page.split('\n').length <= 43)
  assert.match(page, /from '\/client\.js'/)
  assert.match(page, /client\.hello\?\.banner/)
})
