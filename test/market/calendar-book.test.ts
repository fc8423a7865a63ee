import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { always, calendarNamed, calendarOf, sessionOf } from '../../src/market/calendar-book.ts'
import { cme } from '../../src/market/calendar-cme.ts'
import { hkex } from '../../src/market/calendar-hong-kong.ts'
import { nse } from '../../src/market/calendar-india.ts'
import { usEquities } from '../../src/market/calendar-us.ts'
import {
  describeClosed,
  formatClock,
  formatLocal,
  openTimeBetween,
} from '../../src/market/calendar-words.ts'
import { createEvent } from '../../src/market/events.ts'

const HOUR = 3_600_000
const at = (text: string) => Date.parse(text)
const badOption = { name: 'TickwireError', code: 'BAD_OPTION' }

describe('the calendar of a symbol', () => {
  it('is told by how it is written', () => {
    for (const [symbol, id] of [
      ['AAPL', 'us-equities'],
      ['brk.b', 'us-equities'],
      ['NASDAQ:AAPL', 'us-equities'],
      ['AAPL.US', 'us-equities'],
      ['BTC/USD', 'always'],
      ['ETH/BTC', 'always'],
      ['BINANCE:BTC/USDT', 'always'],
      ['USDT/USD', 'always'],
      ['EUR/USD', 'forex'],
      ['XAU/USD', 'forex'],
      ['IDEALPRO:EUR/USD', 'forex'],
      ['NSE:RELIANCE', 'nse'],
      ['NSE_INDEX:NIFTY', 'nse'],
      ['NFO:NIFTY25AUG26FUT', 'nse'],
      ['BSE:SENSEX', 'nse'],
      ['700.HK', 'hkex'],
      ['ES 202612 CME', 'cme'],
      ['CME:ESZ6', 'cme'],
      ['LSE:VOD', undefined],
      ['MCX:GOLD', undefined],
      ['600416.SH', undefined],
      ['FDAX 202612 EUREX', undefined],
      ['', undefined],
      ['A B', undefined],
      ['/USD', undefined],
    ] as const) {
      assert.equal(calendarOf(symbol)?.id, id, symbol)
    }
  })

  it('is the one of its source where everything there trades around the clock', () => {
    assert.equal(calendarOf('EUR/USD', 'kraken'), always)
    assert.equal(calendarOf('SPY', 'simulated'), always)
    assert.equal(calendarOf('SPY', 'alpaca'), usEquities)
  })

  it('is what the instrument says, or its kind', () => {
    const of = (kind: 'future' | 'crypto' | 'forex' | 'equity', calendar?: string) =>
      calendarOf({ symbol: 'ES', kind, ...(calendar !== undefined && { calendar }) })?.id
    assert.equal(of('equity'), 'us-equities')
    assert.equal(of('equity', 'hkex'), 'hkex')
    assert.equal(of('equity', 'always'), 'always')
    assert.equal(of('future'), 'cme')
    assert.equal(of('crypto'), 'always')
    assert.equal(of('forex'), 'forex')
    assert.equal(calendarOf({ symbol: 'NSE:NIFTY', kind: 'future' }), nse)
    assert.throws(() => of('equity', 'moon'), badOption)
  })

  it('goes by a shorter name too, and an unknown one is guessed at', () => {
    assert.equal(calendarNamed(' US '), usEquities)
    assert.equal(calendarNamed('bse'), nse)
    assert.equal(calendarNamed('crypto'), always)
    assert.throws(() => calendarNamed('cyrpto'), { ...badOption, hint: 'did you mean crypto?' })
    assert.throws(() => calendarNamed('constructor'), badOption)
  })
})

describe('the session of an event', () => {
  const trade = (symbol: string, source: string, time: string) =>
    createEvent({
      type: 'trade',
      symbol,
      source,
      timestamp: at(time),
      nanos: 0,
      flags: 0,
      price: 1,
      size: 1,
    })

  it('is what its market did at its venue time', () => {
    const session = (symbol: string, source: string, time: string) =>
      sessionOf(trade(symbol, source, time))?.name
    assert.equal(session('SPY', 'alpaca', '2025-06-02T12:00Z'), 'pre')
    assert.equal(session('SPY', 'alpaca', '2025-06-02T15:00Z'), 'regular')
    assert.equal(session('SPY', 'simulated', '2025-06-01T15:00Z'), 'regular')
    assert.equal(session('NSE:RELIANCE', 'openalgo', '2025-06-02T15:00Z'), 'closed')
    assert.equal(session('LSE:VOD', 'any', '2025-06-02T15:00Z'), undefined)
    assert.equal(session('LSE:VOD', 'any', '2025-06-03T15:00Z'), undefined)
  })

  it('is that of a calendar given instead', () => {
    const event = trade('SPY', 'alpaca', '2025-06-02T04:30Z')
    assert.equal(sessionOf(event, hkex)?.name, 'break')
    assert.equal(sessionOf({ ...event, symbol: undefined }, hkex)?.name, 'break')
    assert.equal(sessionOf({ ...event, symbol: undefined }), undefined)
  })
})

describe('open time between two moments', () => {
  it('counts the sessions asked for alone, over weekends, holidays and half days', () => {
    const open = (from: string, to: string, sessions?: ('pre' | 'regular' | 'post')[]) =>
      openTimeBetween(usEquities, at(from), at(to), sessions) / HOUR
    // Friday 15:00 to Monday 10:00 New York.
    assert.equal(open('2025-06-06T19:00Z', '2025-06-09T14:00Z'), 1.5)
    assert.equal(open('2025-06-06T19:00Z', '2025-06-09T14:00Z', ['pre', 'regular', 'post']), 11)
    // Thanksgiving week: Wednesday noon to Monday noon, with a half day.
    assert.equal(open('2025-11-26T17:00Z', '2025-12-01T17:00Z'), 4 + 3.5 + 2.5)
    assert.equal(open('2025-11-27T00:00Z', '2025-11-28T00:00Z'), 0)
    assert.equal(open('2025-06-06T15:00Z', '2025-06-06T15:30Z'), 0.5)
    assert.equal(open('2025-06-06T15:00Z', '2025-06-06T15:00Z'), 0)
    assert.equal(open('2025-06-09T15:00Z', '2025-06-06T15:00Z'), 0)
    // 250 days, three of them short.
    assert.equal(open('2025-01-01T05:00Z', '2026-01-01T05:00Z'), 250 * 6.5 - 3 * 3)
  })

  it('does not count a lunch break, nor the hour futures rest', () => {
    const lunch = [at('2025-07-03T11:45+08:00'), at('2025-07-03T13:15+08:00')] as const
    assert.equal(openTimeBetween(hkex, ...lunch), HOUR / 2)
    const rest = [at('2025-06-09T15:30-05:00'), at('2025-06-09T17:30-05:00')] as const
    assert.equal(openTimeBetween(cme, ...rest), HOUR)
    assert.equal(openTimeBetween(always, 0, 86_400_000 * 3), 86_400_000 * 3)
  })

  it('refuses what is no moment', () => {
    assert.throws(() => openTimeBetween(usEquities, Number.NaN, 0), badOption)
    assert.throws(() => openTimeBetween(usEquities, 0, Number.NaN), badOption)
    assert.throws(() => openTimeBetween(usEquities, 0, Number.POSITIVE_INFINITY), badOption)
    assert.throws(() => describeClosed(usEquities, Number.NaN), badOption)
  })
})

describe('words for a closed market', () => {
  it('say until when, and for what holiday', () => {
    for (const [calendar, time, words] of [
      [usEquities, '2025-06-07T12:00-04:00', 'US market closed until Mon 09:30 New York'],
      [usEquities, '2025-06-06T12:00-04:00', undefined],
      [
        usEquities,
        '2025-11-27T12:00-05:00',
        'US market closed for Thanksgiving until Fri 09:30 New York',
      ],
      [
        usEquities,
        '2025-07-03T18:00-04:00',
        'US market closed for Independence Day until Mon 09:30 New York',
      ],
      [
        usEquities,
        '2025-01-18T12:00-05:00',
        'US market closed for Martin Luther King Jr. Day until Tue 09:30 New York',
      ],
      [
        usEquities,
        '2012-10-29T12:00-04:00',
        'US market closed for Hurricane Sandy until Wed 09:30 New York',
      ],
      [
        usEquities,
        '2025-06-06T17:00-04:00',
        'US market in its after-hours session; regular trading from Mon 09:30 New York',
      ],
      [hkex, '2025-07-03T12:30+08:00', 'Hong Kong market on its break until Thu 13:00 Hong Kong'],
      [
        hkex,
        '2024-02-09T14:00+08:00',
        'Hong Kong market closed for Lunar New Year until Wed 09:30 Hong Kong',
      ],
      [cme, '2025-06-09T16:30-05:00', 'CME Globex on its break until Mon 17:00 Chicago'],
      [
        nse,
        '2025-10-21T16:00+05:30',
        'Indian market closed for Diwali Balipratipada until Thu 09:15 Mumbai',
      ],
      [always, '2025-06-07T12:00Z', undefined],
    ] as const) {
      assert.equal(describeClosed(calendar, at(time)), words, time)
    }
  })

  it('are about the sessions asked for', () => {
    const noon = at('2025-06-06T12:00-04:00')
    assert.equal(
      describeClosed(usEquities, noon, ['overnight']),
      'US market in its regular session; overnight trading from Sun 20:00 New York',
    )
    assert.equal(describeClosed(usEquities, noon, ['pre', 'regular', 'post']), undefined)
    const weekend = at('2025-06-07T12:00-04:00')
    assert.equal(
      describeClosed(usEquities, weekend, ['pre', 'regular']),
      'US market closed until Mon 04:00 New York',
    )
    assert.equal(describeClosed(nse, weekend, ['overnight']), 'Indian market closed')
  })

  it('name the date when the weekday alone could be the wrong one', () => {
    const seen = at('2025-06-02T12:00Z')
    assert.equal(formatLocal(usEquities, at('2025-06-08T13:30Z'), seen), 'Sun 09:30 New York')
    assert.equal(formatLocal(usEquities, at('2025-06-09T13:30Z'), seen), 'Mon 9 Jun 09:30 New York')
    assert.equal(formatClock('Asia/Kolkata', at('1969-12-31T20:00Z')), '01:30')
  })
})
