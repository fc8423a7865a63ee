import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { asJson, asTable, calendar, parseDays } from '../../src/cli/commands/calendar.ts'
import { always, calendarNamed } from '../../src/market/calendar-book.ts'
import { hkex } from '../../src/market/calendar-hong-kong.ts'
import { usEquities } from '../../src/market/calendar-us.ts'
import { cli } from './child.ts'

const at = (text: string) => Date.parse(text)

describe('tickwire calendar', { concurrency: 2 }, () => {
  test('says what runs and until when, and shows the days in the zone of the exchange and UTC', () => {
    const days = ['2025-07-03', '2025-07-04', '2025-07-05'].map(day => usEquities.day(day))
    assert.equal(
      asTable(usEquities, at('2025-07-03T12:00-04:00'), days),
      `US market: regular (the day before Independence Day) until Thu 13:00 New York (Thu 17:00 UTC), then after-hours

day             session      New York         UTC
2025-07-03 Thu  overnight    Wed 20:00–04:00  00:00–08:00  ends early: the day before Independence Day
                pre-market   04:00–09:30      08:00–13:30
                regular      09:30–13:00      13:30–17:00
                after-hours  13:00–17:00      17:00–21:00
2025-07-04 Fri  closed                                     Independence Day
2025-07-05 Sat  closed
`,
    )
  })

  test('says when regular trading begins, when something else comes first', () => {
    const table = asTable(usEquities, at('2025-07-04T12:00-04:00'), [usEquities.day('2025-07-04')])
    assert.deepEqual(table.split('\n').slice(0, 3), [
      'US market: closed (Independence Day) until Sun 20:00 New York (Mon 00:00 UTC), then overnight',
      'regular trading from Mon 09:30 New York',
      '',
    ])
  })

  test('a market around the clock has no next change, and one that lacks the holidays of a year says so', () => {
    const crypto = asTable(always, at('2025-07-04T12:00Z'), [always.day('2025-07-04')])
    assert.deepEqual(crypto.split('\n'), [
      'round-the-clock market: regular, around the clock',
      '',
      'day             session  UTC',
      '2025-07-04 Fri  regular  00:00–Sat 00:00',
      '',
    ])
    const unknown = asTable(hkex, at('2026-12-30T04:30Z'), [hkex.day('2027-01-01')])
    assert.match(unknown, /^Hong Kong market: break until Wed 13:00 Hong Kong/)
    assert.match(unknown, /2027-01-01 Fri .* holidays not known\n/)
    assert.match(unknown, /Holidays are known from 2014 to 2026; for other years/)
  })

  test('FX days that touch are one session', () => {
    const forex = calendarNamed('fx')
    const table = asTable(forex, at('2025-07-02T12:00-04:00'), [forex.day('2025-07-02')])
    assert.match(
      table,
      /^FX market: regular until Fri 17:00 New York \(Fri 21:00 UTC\), then closed\n/,
    )
  })

  test('the same for programs', () => {
    const json = asJson(usEquities, at('2025-07-04T12:00-04:00'), [usEquities.day('2025-07-04')])
    assert.deepEqual(JSON.parse(json), {
      calendar: 'us-equities',
      market: 'US market',
      zone: 'America/New_York',
      holidays: [2010, 2030],
      now: {
        at: '2025-07-04T16:00:00.000Z',
        session: 'closed',
        from: '2025-07-03T21:00:00.000Z',
        to: '2025-07-07T00:00:00.000Z',
        reason: 'Independence Day',
        until: '2025-07-07T00:00:00.000Z',
        closed: 'US market closed for Independence Day until Mon 09:30 New York',
      },
      days: [{ day: '2025-07-04', sessions: [], reason: 'Independence Day' }],
    })
  })

  test('prints the days asked for', async () => {
    const args = ['calendar', 'nse', '--date', '2025-10-21', '--days', '2', '--json']
    const { code, stdout, stderr } = await cli(args)
    assert.equal(code, 0, stderr)
    const shown = JSON.parse(stdout)
    assert.equal(shown.calendar, 'nse')
    assert.deepEqual(shown.days, [
      {
        day: '2025-10-21',
        reason: 'Diwali Muhurat trading',
        sessions: [
          ['pre', '08:00', '08:15'],
          ['regular', '08:15', '09:15'],
        ].map(([session, from, to]) => ({
          session,
          from: `2025-10-21T${from}:00.000Z`,
          to: `2025-10-21T${to}:00.000Z`,
          reason: 'Diwali Muhurat trading',
        })),
      },
      { day: '2025-10-22', sessions: [], reason: 'Diwali Balipratipada' },
    ])
  })

  test('an unknown market is refused with exit code 2 and a guess', async () => {
    const { code, stdout, stderr } = await cli(['calendar', 'uss'])
    assert.equal(code, 2, stderr)
    assert.match(stderr, /no calendar is called "uss".*did you mean us\?/s)
    assert.equal(stdout, '')
  })

  test('a day or number of days that is none is refused before anything is printed', async () => {
    const refused = { name: 'TickwireError', code: 'BAD_OPTION' }
    await assert.rejects(calendar('us', { date: '2025-02-29', days: 7 }), refused)
    await assert.rejects(calendar('us', { date: 'yesterday', days: 7 }), refused)
    assert.equal(parseDays('400'), 400)
    for (const text of ['0', '401', '1e9', '-1', '2.5', '', 'seven']) {
      assert.throws(() => parseDays(text), refused, text)
    }
  })
})
