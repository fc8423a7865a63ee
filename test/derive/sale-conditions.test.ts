import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SALE_CONDITIONS, saleEffect } from '../../src/derive/sale-conditions.ts'
import { ROWS } from './sale-table.ts'

const letters = (conditions: readonly string[], tape: string, bar: 'minute' | 'day') => {
  const { openClose, highLow, volume } = saleEffect(conditions, tape, bar)
  const first = { yes: 'y', first: '1', no: 'n' }[openClose]
  return `${first}${highLow ? 'y' : 'n'}${volume ? 'y' : 'n'}`
}

describe('sale conditions', () => {
  for (const { code, tapes, minute, day } of ROWS) {
    test(`${JSON.stringify(code)} on ${tapes}: ${minute} in minute bars, ${day} in daily ones`, () => {
      for (const tape of tapes) {
        assert.equal(letters([code], tape, 'minute'), minute)
        assert.equal(letters([code], tape, 'day'), day)
      }
    })
  }

  test('the table has these rows and no others', () => {
    const shown = SALE_CONDITIONS.map(({ code, tapes }) => `${code} ${tapes}`)
    assert.deepEqual(
      shown,
      ROWS.map(({ code, tapes }) => `${code} ${tapes}`),
    )
  })

  test('of several conditions the strictest wins, in any order', () => {
    for (const a of ROWS) {
      for (const b of ROWS) {
        for (const tape of 'ABC') {
          if (!a.tapes.includes(tape) || !b.tapes.includes(tape)) continue
          for (const bar of ['minute', 'day'] as const) {
            const strict = (i: number) =>
              ['n', '1', 'y'].find(it => it === a[bar][i] || it === b[bar][i])
            const expected = [0, 1, 2].map(strict).join('')
            assert.equal(letters([a.code, b.code], tape, bar), expected)
            assert.equal(letters([b.code, a.code], tape, bar), expected)
          }
        }
      }
    }
  })

  test('a code of no row, or of other tapes, is volume and no price', () => {
    for (const code of ['?', '', 'AB', 'é', '\u{1f600}', '1']) {
      assert.equal(letters([code], 'C', 'minute'), 'nny')
      assert.equal(letters(['@', code], 'C', 'day'), 'nny')
    }
    assert.equal(letters(['@'], 'A', 'minute'), 'nny')
    assert.equal(letters(['A'], 'B', 'minute'), 'nny')
  })

  test('without a consolidated tape everything counts', () => {
    const all = { openClose: 'yes', highLow: true, volume: true }
    assert.deepEqual(saleEffect(undefined, 'C'), all)
    assert.deepEqual(saleEffect([], 'C'), all)
    assert.deepEqual(saleEffect(['I'], undefined), all)
    assert.deepEqual(saleEffect(['I'], 'X'), all)
  })

  test('overnight venues print with the codes of tape C', () => {
    for (const { code } of ROWS) {
      assert.equal(letters([code], 'N', 'minute'), letters([code], 'C', 'minute'))
    }
  })
})
