import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ErrorCode } from '../../../src/base/errors.ts'
import { type Meaning, meaningOf } from '../../../src/providers/ibkr/codes.ts'
import { TWS_FAULTS } from '../../../src/testing/fake-tws-faults.ts'

/** Every code of the API that a stream may meet, and what becomes of it. */
const CODES: readonly (readonly [code: number, type: Meaning['type'], error?: ErrorCode])[] = [
  [100, 'too-fast', 'RATE_LIMITED'],
  [101, 'full', 'SYMBOL_LIMIT'],
  [162, 'unknown', 'VENUE_ERROR'],
  [200, 'refuses', 'UNKNOWN_SYMBOL'],
  [300, 'advice'],
  [309, 'full', 'SYMBOL_LIMIT'],
  [310, 'advice'],
  [316, 'again'],
  [317, 'emptied'],
  [320, 'refuses', 'BAD_REQUEST'],
  [321, 'refuses', 'BAD_REQUEST'],
  [322, 'refuses', 'BAD_REQUEST'],
  [326, 'ends', 'CONNECTION_LIMIT'],
  [354, 'refuses', 'NOT_ENTITLED'],
  [366, 'advice'],
  [420, 'refuses', 'RATE_LIMITED'],
  [502, 'ends', 'CONNECTION_LOST'],
  [503, 'ends', 'UNSUPPORTED'],
  [504, 'ends', 'CONNECTION_LOST'],
  [506, 'ends', 'UNSUPPORTED'],
  [1100, 'upstream'],
  [1101, 'upstream'],
  [1102, 'upstream'],
  [1300, 'moved', 'CONNECTION_LOST'],
  [2103, 'farm'],
  [2104, 'farm'],
  [2105, 'farm'],
  [2106, 'farm'],
  [2107, 'farm'],
  [2108, 'farm'],
  [2110, 'upstream'],
  [2119, 'advice'],
  [2152, 'advice'],
  [2157, 'farm'],
  [2158, 'farm'],
  [2174, 'advice'],
  [10089, 'refuses', 'NOT_ENTITLED'],
  [10090, 'advice'],
  [10091, 'advice'],
  [10092, 'refuses', 'NOT_ENTITLED'],
  [10167, 'advice'],
  [10168, 'refuses', 'NOT_ENTITLED'],
  [10182, 'again'],
  [10186, 'refuses', 'NOT_ENTITLED'],
  [10189, 'refuses', 'NOT_ENTITLED'],
  [10190, 'full', 'SYMBOL_LIMIT'],
  [10225, 'again'],
  [10197, 'mute'],
]

for (const [code, type, error] of CODES) {
  test(`${code} is ${error ?? type}`, () => {
    const meaning = meaningOf(code, `what TWS\n says of ${code}`)
    assert.equal(meaning.type, type)
    const said = 'error' in meaning ? meaning.error : undefined
    assert.equal(said?.code, error)
    if (said)
      assert.ok(said.message.endsWith(`(TWS ${code}: what TWS says of ${code})`), said.message)
  })
}

test('the page of IBKR names every code', () => {
  const page = readFileSync(new URL('../../../docs/providers/ibkr.md', import.meta.url), 'utf8')
  const missing = CODES.filter(([code]) => !new RegExp(`\\b${code}\\b`).test(page))
  assert.deepEqual(missing, [])
})

test('the page has the menu of faults', () => {
  const page = readFileSync(new URL('../../../docs/providers/ibkr.md', import.meta.url), 'utf8')
  for (const [name, { does, params }] of Object.entries(TWS_FAULTS)) {
    const row = page.split('\n').find(line => line.startsWith(`| \`${name}\` | ${does} |`))
    assert.ok(row, name)
    for (const key of Object.keys(params)) assert.ok(row.includes(`\`${key}\``), `${name} ${key}`)
  }
})

test('farms are told apart by kind and name', () => {
  assert.deepEqual(meaningOf(2103, 'Market data farm connection is broken:usfarm.nj'), {
    ...{ type: 'farm', farm: 'market', name: 'usfarm.nj', ok: false },
  })
  assert.deepEqual(meaningOf(2106, 'HMDS data farm connection is OK:ushmds'), {
    ...{ type: 'farm', farm: 'history', name: 'ushmds', ok: true },
  })
  assert.deepEqual(meaningOf(2157, 'Sec-def data farm connection is broken'), {
    ...{ type: 'farm', farm: 'contracts', name: '', ok: false },
  })
  const asleep = 'farm connection is inactive but should be available upon demand.usfarm.nj'
  assert.deepEqual(meaningOf(2108, `Market data ${asleep}`), {
    ...{ type: 'farm', farm: 'market', name: 'usfarm.nj', ok: true },
  })
  assert.deepEqual(meaningOf(2107, `HMDS data ${asleep}`), {
    ...{ type: 'farm', farm: 'history', name: 'usfarm.nj', ok: true },
  })
})

test('what the account lacks is told by the text where one code says several things', () => {
  for (const code of [162, 420]) {
    const lacks = meaningOf(
      code,
      'Invalid Real-time Query:No market data permissions for NASDAQ STK',
    )
    assert.equal(lacks.type === 'refuses' && lacks.error.code, 'NOT_ENTITLED')
    assert.match(lacks.type === 'refuses' ? lacks.error.hint! : '', /Client Portal/)
    const pacing = meaningOf(code, 'Historical data request pacing violation')
    assert.equal(pacing.type === 'refuses' && pacing.error.code, 'RATE_LIMITED')
  }
})

test('every refusal for want of room or right names a way out', () => {
  for (const code of [101, 309, 10190, 354, 10189, 326]) {
    const meaning = meaningOf(code, 'text')
    assert.ok('error' in meaning && meaning.error?.hint, `${code}`)
  }
  const taken = meaningOf(326, 'text')
  assert.match(taken.type === 'ends' ? taken.error.hint! : '', /TICKWIRE_IBKR_CLIENT/)
})

test('1300 names the new port, where it does', () => {
  const said = meaningOf(1300, 'Please reconnect on the new port - 4003.')
  assert.equal(said.type === 'moved' && said.port, 4003)
  const silent = meaningOf(1300, 'TWS socket port has been reset.')
  assert.equal(silent.type === 'moved' && silent.port, undefined)
})

test('what nobody knows is an error, unless TWS calls it a warning', () => {
  assert.equal(meaningOf(9_999, 'Something').type, 'unknown')
  assert.equal(meaningOf(9_999, 'Warning: something').type, 'advice')
  assert.equal(meaningOf(2_999, 'Something').type, 'advice')
})
