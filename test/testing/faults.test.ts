import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import {
  checkFaults,
  FAULT_NAMES,
  FAULTS,
  parametersOf,
  parseFaults,
} from '../../src/testing/faults.ts'

/** Few lines that say some thousand million things. */
const BOMB = `- &a [${'cut, '.repeat(20)}]\n- &b [${'*a, '.repeat(20)}]\n- &c [${'*b, '.repeat(20)}]\n- [${'*c, '.repeat(20)}]`

describe('a faults file', () => {
  test('is YAML or JSON, a list or a map with one, and gets its defaults', () => {
    const cut = { fault: 'cut', at: 5_000, chance: 1, reset: true, on: 'all' }
    assert.deepEqual(parseFaults('- { at: 5s, fault: cut }\n', 'f.yaml'), [cut])
    assert.deepEqual(parseFaults('faults:\n  - at: 5s\n    fault: cut\n', 'f.yaml'), [cut])
    assert.deepEqual(parseFaults('[{"fault": "cut", "at": 5000}]', 'f.json'), [cut])
    assert.deepEqual(parseFaults('- &a { at: 5s, fault: cut }\n- *a', 'f.yaml'), [cut, cut])
    assert.deepEqual(parseFaults('', 'f.yaml'), [])
  })

  test('understands times and counts', () => {
    const text = '- { fault: stall, for: 1.5m, after: 3 connections, every: 2h, chance: 0.25 }'
    const stall = { fault: 'stall', for: 90_000, every: 7_200_000, chance: 0.25, on: 'all' }
    assert.deepEqual(parseFaults(text, 'f'), [{ ...stall, after: { count: 3, of: 'connections' } }])
  })

  const wrong: readonly [text: string, message: string, hint: RegExp][] = [
    ['- fault: cutt', 'f.yaml:1: no fault "cutt"', /did you mean cut\?/],
    ['- fault: cut\n- fault: 5', 'f.yaml:2: no fault 5', /known: refuse/],
    ['- at: 5s', 'f.yaml:1: no fault is named', /fault: NAME/],
    ['- cut', 'f.yaml:1: no fault is named', /fault: NAME/],
    ['fault: cut', 'f.yaml:1: not a list of faults', /- fault/],
    ['faults: []\nseed: 5', 'f.yaml: unknown key seed', /one key/],
    ['- fault: cut\n  - x', 'f.yaml:2: ', /- fault/],
    ['- fault: cut\n  atx: 5s', 'f.yaml:2: cut has no atx', /did you mean at\?/],
    ['- fault: cut\n  at: soon', 'f.yaml:2: at of cut cannot be "soon"', /5m/],
    ['- { fault: cut, at: -5 }', 'f.yaml:1: at of cut cannot be -5', /5m/],
    ['- { fault: cut, at: 1000h }', 'f.yaml:1: at of cut cannot be "1000h"', /10s/],
    ['- { fault: cut, every: 0s }', 'f.yaml:1: every of cut cannot be "0s"', /at least/],
    ['- { fault: cut, every: .inf }', 'f.yaml:1: every of cut cannot be Infinity', /at most 596h/],
    ['- { fault: stall, for: 1e300 }', 'f.yaml:1: for of stall cannot be 1e+300', /at most 596h/],
    ['- { fault: cut, at: [5s] }', 'f.yaml:1: at of cut cannot be a list', /at most 596h/],
    ['- { fault: cut, after: 0 connections }', 'f.yaml:1: after of cut cannot be "0 con', /from 1/],
    [`- { fault: cut, after: ${'9'.repeat(30)} events }`, 'f.yaml:1: after of cut', /from 1/],
    ['- fault: cut\n  at: *soon', 'f.yaml:2: no &soon stands before *soon', /Write the faults out/],
    [BOMB, 'f.yaml:4: too many aliases', /Write the faults out/],
    ['- &a { fault: cut, at: *a }', 'f.yaml:1: at of cut cannot be a map', /at most 596h/],
    ['- &a { fault: cut, on: 5 }\n- *a', 'f.yaml:1: on of cut cannot be 5', /oldest/],
    ['- { fault: [cut] }', 'f.yaml:1: no fault a list', /known: refuse/],
    ['- fault: cut\n---\n- fault: cut', 'f.yaml:2: a second document', /- fault/],
    ['- { fault: cut, fault: cut }', 'f.yaml:1: Map keys must be unique', /- fault/],
    ['- { fault: cut, chance: 2 }', 'f.yaml:1: chance of cut cannot be 2', /0 to 1/],
    ['- { fault: cut, after: 3 }', 'f.yaml:1: after of cut cannot be 3', /3 connections/],
    ['- { fault: cut, after: 3 apples }', 'f.yaml:1: after of cut cannot be', /3 connections/],
    ['- { fault: auth-error, code: 418 }', 'f.yaml:1: code of auth-error cannot be 418', /400/],
    ['- { fault: close, code: 1006 }', 'f.yaml:1: code of close cannot be 1006', /close code/],
    ['- { fault: duplicate, times: 0.5 }', 'f.yaml:1: times of duplicate', /whole number/],
    ['- { fault: cut, on: some }', 'f.yaml:1: on of cut cannot be "some"', /oldest/],
  ]
  for (const [text, message, hint] of wrong) {
    test(`refuses ${JSON.stringify(text)} in one line`, () => {
      assert.throws(
        () => parseFaults(text, 'f.yaml'),
        (error: { code: string; message: string; hint: string }) => {
          assert.equal(error.code, 'BAD_CONFIG')
          assert.ok(error.message.startsWith(message), error.message)
          assert.doesNotMatch(error.message, /\n/)
          assert.match(error.hint, hint)
          return true
        },
      )
    })
  }

  test('in code is checked the same', () => {
    assert.throws(() => checkFaults([{ fault: 'cut', on: 'none' }]), {
      code: 'BAD_CONFIG',
      message: 'faults[0.on]: on of cut cannot be "none"',
    })
  })
})

test('docs/testing.md has the menu as it is in the code', () => {
  const page = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8')
  const menu = page.slice(page.indexOf('| fault | what it does'))
  const rows = [...menu.matchAll(/^\| `([a-z0-9-]+)` \| (.*) \| (.*) \|$/gm)]
  assert.deepEqual(
    rows.map(([, name]) => name),
    FAULT_NAMES,
  )
  for (const [, name, does, parameters] of rows) {
    const fault = name as keyof typeof FAULTS
    assert.equal(does, FAULTS[fault].does)
    const named = [...parameters!.matchAll(/`(\w+)`(?: \(([^)]*)\))?/g)]
    assert.deepEqual(
      named.map(match => match[1]),
      parametersOf(fault),
    )
    const { chance: _chance, ...defaults } = checkFaults([{ fault }])[0]! as unknown as Record<
      string,
      unknown
    >
    for (const [, parameter, shown] of named) {
      const value = defaults[parameter!]
      const text = value === undefined || value === '' ? undefined : String(value)
      assert.equal(shown?.replaceAll(',', ''), text, `${name}: ${parameter}`)
    }
  }
})

test('the faults files of the examples are right', () => {
  for (const name of ['faults.yaml', 'faults-bad-day.yaml']) {
    const text = readFileSync(new URL(`../../examples/${name}`, import.meta.url), 'utf8')
    assert.ok(parseFaults(text, name).length > 0)
  }
})
