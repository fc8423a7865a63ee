import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatTime, parseTime, timestampNs, toDate, toISO } from '../../src/market/time.ts'
import { anyNanos, anyTimestamp } from './arbitrary.ts'

/** RFC 3339 from nanoseconds alone: Howard Hinnant's `civil_from_days`, in whole numbers. */
function reference(ns: bigint): string {
  const floor = (a: bigint, b: bigint) => (a - (((a % b) + b) % b)) / b
  const days = floor(ns, 86_400_000_000_000n)
  const rest = ns - days * 86_400_000_000_000n
  const shifted = days + 719_468n
  const era = floor(shifted, 146_097n)
  const dayOfEra = shifted - era * 146_097n
  const yearOfEra = (dayOfEra - dayOfEra / 1_460n + dayOfEra / 36_524n - dayOfEra / 146_096n) / 365n
  const dayOfYear = dayOfEra - (365n * yearOfEra + yearOfEra / 4n - yearOfEra / 100n)
  const m = (5n * dayOfYear + 2n) / 153n
  const day = dayOfYear - (153n * m + 2n) / 5n + 1n
  const month = m < 10n ? m + 3n : m - 9n
  const year = yearOfEra + era * 400n + (month <= 2n ? 1n : 0n)
  const pad = (value: bigint, width: number) => String(value).padStart(width, '0')
  const seconds = rest / 1_000_000_000n
  return (
    `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T` +
    `${pad(seconds / 3_600n, 2)}:${pad((seconds / 60n) % 60n, 2)}:${pad(seconds % 60n, 2)}` +
    `.${pad(rest % 1_000_000_000n, 9)}Z`
  )
}

describe('time', () => {
  it('is written exactly, as a reference in whole nanoseconds writes it', () => {
    fc.assert(
      fc.property(anyTimestamp, anyNanos, (timestamp, nanos) => {
        const ns = timestampNs({ timestamp, nanos })
        assert.equal(ns, BigInt(timestamp) * 1_000_000n + BigInt(nanos))
        assert.equal(formatTime(timestamp, nanos), reference(ns))
      }),
      { numRuns: 2_000 },
    )
  })

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(anyTimestamp, anyNanos, (timestamp, nanos) => {
        assert.deepEqual(parseTime(formatTime(timestamp, nanos)), { timestamp, nanos })
      }),
      { numRuns: 500 },
    )
  })

  it('takes an offset off', () => {
    const minutes = fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 })
    const timestamps = fc.integer({ min: -60_000_000_000_000, max: 250_000_000_000_000 })
    fc.assert(
      fc.property(timestamps, anyNanos, minutes, (timestamp, nanos, offset) => {
        const local = formatTime(timestamp + offset * 60_000, nanos).slice(0, -1)
        const size = Math.abs(offset)
        const two = (n: number) => String(n).padStart(2, '0')
        const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`
        assert.deepEqual(parseTime(local + zone), { timestamp, nanos })
      }),
    )
  })

  it('reads none to nine digits of a fraction', () => {
    const digits = '123456789'
    for (let n = 1; n <= 9; n++) {
      const ns = Number(digits.slice(0, n).padEnd(9, '0'))
      assert.deepEqual(parseTime(`2024-01-15T14:30:00.${digits.slice(0, n)}Z`), {
        timestamp: Date.UTC(2024, 0, 15, 14, 30) + 123 - (n === 1 ? 23 : n === 2 ? 3 : 0),
        nanos: ns % 1_000_000,
      })
    }
    assert.deepEqual(parseTime('2024-01-15T14:30:00Z'), {
      timestamp: Date.UTC(2024, 0, 15, 14, 30),
      nanos: 0,
    })
  })

  it('counts nanoseconds forwards before 1970 too', () => {
    assert.deepEqual(parseTime('1969-12-31T23:59:59.999999999Z'), { timestamp: -1, nanos: 999_999 })
    assert.equal(formatTime(-1, 999_999), '1969-12-31T23:59:59.999999999Z')
  })

  it('knows leap days and the first and last year', () => {
    const good = [
      '2024-02-29',
      '2000-02-29',
      '0000-02-29',
      '0001-01-01',
      '0099-12-31',
      '9999-12-31',
    ]
    for (const day of good) {
      const { timestamp, nanos } = parseTime(`${day}T12:00:00Z`)!
      assert.equal(formatTime(timestamp, nanos).slice(0, 10), day)
    }
    for (const day of ['2023-02-29', '1900-02-29', '2024-02-30', '2024-04-31']) {
      assert.equal(parseTime(`${day}T12:00:00Z`), undefined, day)
    }
  })

  const not = [
    ...['', 'now', '2024-01-15', '2024-01-15T14:30Z', '2024-01-15T14:30:00', '1705329000123'],
    ...['2024-01-15 14:30:00Z', ' 2024-01-15T14:30:00Z', '2024-01-15T14:30:00Z\n'],
    ...['2024-01-15T14:30:00.Z', '2024-01-15T14:30:00.1234567890Z', '2024-01-15T14:30:00,5Z'],
    ...['2024-00-15T14:30:00Z', '2024-13-15T14:30:00Z', '2024-01-00T14:30:00Z'],
    ...['2024-01-15T24:00:00Z', '2024-01-15T14:60:00Z', '2024-06-30T23:59:60Z'],
    ...['2024-01-15T14:30:00+24:00', '2024-01-15T14:30:00+05:60', '2024-01-15T14:30:00+0530'],
    ...['24-01-15T14:30:00Z', '+2024-01-15T14:30:00Z', '２０２４-01-15T14:30:00Z'],
    ...['0000-01-01T00:00:00+00:01', '9999-12-31T23:59:59-00:01'],
  ]
  for (const text of not) {
    it(`does not take ${JSON.stringify(text)} for a time`, () => {
      assert.equal(parseTime(text), undefined)
    })
  }

  it('refuses to write a year of five digits, twice the same way', () => {
    for (const timestamp of [253_402_300_800_000, 253_402_300_800_000, -62_167_219_200_001]) {
      assert.throws(() => formatTime(timestamp, 0), RangeError)
    }
    assert.throws(() => formatTime(Number.NaN, 0), RangeError)
    assert.equal(formatTime(0, 0), '1970-01-01T00:00:00.000000000Z')
  })

  it('has a Date and a text of an event', () => {
    const event = { timestamp: Date.UTC(2024, 0, 15, 14, 30, 0, 123), nanos: 456 }
    assert.equal(toDate(event).getTime(), event.timestamp)
    assert.equal(toISO(event), '2024-01-15T14:30:00.123000456Z')
  })
})
