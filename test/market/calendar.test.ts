import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Calendar, createCalendar, type SessionName } from '../../src/market/calendar.ts'
import { CALENDARS, forex } from '../../src/market/calendar-book.ts'
import { cme } from '../../src/market/calendar-cme.ts'
import { dateOf, dayNumber, formatDay, parseDay } from '../../src/market/calendar-dates.ts'
import { hkex } from '../../src/market/calendar-hong-kong.ts'
import { nse } from '../../src/market/calendar-india.ts'
import { usEquities } from '../../src/market/calendar-us.ts'
import {
  BSE_CLOSED,
  BSE_CORRECTIONS,
  CME_DAYS,
  datesOf,
  HKEX_CLOSED,
  HKEX_HALF,
  NYSE_CLOSED,
  NYSE_EARLY,
} from './calendar-fixture.ts'

const at = (text: string) => {
  const ms = Date.parse(text)
  assert.ok(!Number.isNaN(ms), `a time: ${text}`)
  return ms
}

/** Every date from one to another, both included. */
function* dates(from: string, to: string) {
  for (let day = parseDay(from); day <= parseDay(to); day++) yield formatDay(day)
}

const isWeekday = (day: string) => ![0, 6].includes(dateOf(parseDay(day)).weekday)

/** What a session looks like in UTC: `regular 13:30–20:00`. */
function shown(calendar: Calendar, day: string): string[] {
  return calendar.day(day).sessions.map(({ name, from, to }) => {
    const time = (ms: number) => new Date(ms).toISOString().slice(5, 16)
    return `${name} ${time(from)}–${time(to)}`
  })
}

const badOption = { name: 'TickwireError', code: 'BAD_OPTION' }

describe('the calendar of US equities', () => {
  it('closes and closes early on the days an independent list has, every day from 2010 to 2030', () => {
    const closed = datesOf(NYSE_CLOSED)
    const early = datesOf(NYSE_EARLY)
    const counts = { closed: 0, early: 0, days: 0 }
    for (const day of dates('2010-01-01', '2030-12-31')) {
      const date = usEquities.day(day)
      const open = isWeekday(day) && !closed.has(day)
      const regular = date.sessions.find(session => session.name === 'regular')
      assert.equal(date.sessions.length > 0, open, day)
      assert.equal(date.holidaysUnknown, undefined, day)
      assert.equal(date.early, early.has(day) ? true : undefined, day)
      assert.equal(date.reason !== undefined, closed.has(day) || early.has(day), day)
      if (regular) {
        const length = (regular.to - regular.from) / 3_600_000
        assert.equal(length, early.has(day) ? 3.5 : 6.5, day)
      }
      counts.days++
      counts.closed += open ? 0 : 1
      counts.early += early.has(day) ? 1 : 0
    }
    assert.deepEqual(counts, { days: 7_670, closed: 2_391, early: 45 })
  })

  it('has four sessions on a usual day, the first from the evening before', () => {
    assert.deepEqual(shown(usEquities, '2025-07-02'), [
      'overnight 07-02T00:00–07-02T08:00',
      'pre 07-02T08:00–07-02T13:30',
      'regular 07-02T13:30–07-02T20:00',
      'post 07-02T20:00–07-03T00:00',
    ])
  })

  it('closes at 13:00 before a holiday, and then until the night before the next trading day', () => {
    assert.deepEqual(shown(usEquities, '2025-07-03').slice(2), [
      'regular 07-03T13:30–07-03T17:00',
      'post 07-03T17:00–07-03T21:00',
    ])
    const closed = usEquities.sessionAt(at('2025-07-04T14:00Z'))
    assert.deepEqual(closed, {
      name: 'closed',
      from: at('2025-07-03T21:00Z'),
      to: at('2025-07-07T00:00Z'),
      reason: 'Independence Day',
    })
    assert.deepEqual(usEquities.sessionAt(at('2025-07-03T18:00Z')), {
      name: 'post',
      from: at('2025-07-03T17:00Z'),
      to: at('2025-07-03T21:00Z'),
      day: '2025-07-03',
      early: true,
      reason: 'the day before Independence Day',
    })
  })

  it('opens on Sunday evening and belongs to Monday then, and ends for the week on Friday at 20:00', () => {
    const sunday = usEquities.sessionAt(at('2025-06-08T20:00-04:00'))
    assert.equal(sunday.name, 'overnight')
    assert.equal(sunday.day, '2025-06-09')
    assert.equal(usEquities.sessionAt(at('2025-06-08T19:59:59.999-04:00')).name, 'closed')
    const weekend = usEquities.sessionAt(at('2025-06-06T20:00-04:00'))
    assert.equal(weekend.name, 'closed')
    assert.equal(weekend.to - weekend.from, 48 * 3_600_000)
    assert.equal(weekend.reason, undefined)
  })

  it('keeps New York time in the weeks the clocks change', () => {
    for (const [day, open] of [
      ['2025-03-07', '14:30'],
      ['2025-03-10', '13:30'],
      ['2025-10-31', '13:30'],
      ['2025-11-03', '14:30'],
      ['2028-02-29', '14:30'],
    ] as const) {
      const regular = usEquities.day(day).sessions.find(({ name }) => name === 'regular')!
      assert.equal(new Date(regular.from).toISOString(), `${day}T${open}:00.000Z`)
    }
    // The weekend on which an hour is missing, and the one that has one more.
    const length = (ms: number) => {
      const { from, to } = usEquities.sessionAt(ms)
      return (to - from) / 3_600_000
    }
    assert.equal(length(at('2025-03-09T12:00Z')), 47)
    assert.equal(length(at('2025-11-02T12:00Z')), 49)
  })

  it('says of years outside of 2010–2030 that their holidays are not known', () => {
    for (const [day, unknown] of [
      ['2009-12-31', true],
      ['2010-01-04', undefined],
      ['2030-12-31', undefined],
      ['2031-01-02', true],
    ] as const) {
      assert.equal(usEquities.day(day).holidaysUnknown, unknown, day)
      assert.equal(usEquities.sessionAt(at(`${day}T16:00Z`)).holidaysUnknown, unknown, day)
    }
    assert.equal(usEquities.sessionAt(at('2031-01-01T16:00Z')).holidaysUnknown, true)
    assert.deepEqual(usEquities.holidays, [2010, 2030])
  })
})

describe('the calendar of the Indian exchanges', () => {
  it('closes on the weekdays an independent list has, from 2011 to 2026', () => {
    const closed = datesOf(BSE_CLOSED)
    for (const day of BSE_CORRECTIONS.closed) assert.ok(!closed.has(day), `${day} is corrected`)
    for (const day of BSE_CORRECTIONS.closed) closed.add(day)
    for (const day of BSE_CORRECTIONS.open) assert.ok(closed.delete(day), `${day} is corrected`)
    for (const day of dates('2011-01-01', '2026-12-31')) {
      if (!isWeekday(day)) continue
      const usual = nse
        .day(day)
        .sessions.some(({ name, from, to }) => name === 'regular' && to - from === 6.25 * 3_600_000)
      assert.equal(usual, !closed.has(day), day)
      assert.equal(nse.day(day).holidaysUnknown, undefined, day)
    }
  })

  it('trades 09:15–15:30 in Mumbai without a break, behind a quarter of an hour of orders', () => {
    assert.deepEqual(shown(nse, '2025-07-03'), [
      'pre 07-03T03:30–07-03T03:45',
      'regular 07-03T03:45–07-03T10:00',
    ])
  })

  it('opens for an hour at Diwali and on Saturdays with a budget', () => {
    assert.deepEqual(shown(nse, '2024-11-01'), [
      'pre 11-01T12:15–11-01T12:30',
      'regular 11-01T12:30–11-01T13:30',
    ])
    assert.equal(nse.day('2024-11-01').reason, 'Diwali Muhurat trading')
    assert.equal(nse.sessionAt(at('2025-02-01T11:00+05:30')).name, 'regular')
    assert.equal(nse.sessionAt(at('2024-05-18T10:30+05:30')).name, 'break')
    assert.equal(nse.sessionAt(at('2026-11-08T18:30+05:30')).name, 'closed')
  })

  it('knows nothing of 2027 and says so, without closing for what it cannot know', () => {
    assert.equal(nse.day('2027-01-26').holidaysUnknown, true)
    assert.equal(nse.day('2027-01-26').sessions.length, 2)
    assert.equal(nse.day('2010-01-26').holidaysUnknown, true)
  })
})

describe('the calendar of Hong Kong', () => {
  it('closes, and closes at noon, on the days an independent list has, from 2014 to September 2025', () => {
    const closed = datesOf(HKEX_CLOSED)
    const half = datesOf(HKEX_HALF)
    for (const day of dates('2014-01-01', '2025-09-05')) {
      const date = hkex.day(day)
      assert.equal(date.sessions.length > 0, isWeekday(day) && !closed.has(day), day)
      assert.equal(date.early === true, half.has(day), day)
    }
  })

  it('breaks for lunch', () => {
    assert.deepEqual(shown(hkex, '2025-07-03'), [
      'pre 07-03T01:00–07-03T01:30',
      'regular 07-03T01:30–07-03T04:00',
      'break 07-03T04:00–07-03T05:00',
      'regular 07-03T05:00–07-03T08:00',
      'post 07-03T08:00–07-03T08:10',
    ])
    const noon = at('2025-07-03T12:30+08:00')
    assert.equal(hkex.isOpen(noon), false)
    assert.equal(hkex.opensAt(noon), at('2025-07-03T13:00+08:00'))
    assert.equal(hkex.next(noon)?.name, 'regular')
  })
})

describe('the calendar of CME Globex', () => {
  it("ends on the days around holidays when CME's notices say, from 2015", () => {
    for (const word of datesOf(CME_DAYS)) {
      const [day, expected] = word.split('=') as [string, string]
      const regular = cme.day(day).sessions.find(({ name }) => name === 'regular')
      const end = regular
        ? new Intl.DateTimeFormat('en-GB', {
            timeZone: 'America/Chicago',
            hour: '2-digit',
            minute: '2-digit',
          }).format(regular.to)
        : 'closed'
      const usual = expected === 'open' ? '1600' : expected
      assert.equal(end.replace(':', ''), usual, day)
    }
  })

  it('breaks for an hour a day, and is open from Sunday evening to Friday afternoon', () => {
    const name = (text: string) => cme.sessionAt(at(text)).name
    assert.equal(name('2025-06-08T17:00-05:00'), 'regular')
    assert.equal(name('2025-06-09T15:59-05:00'), 'regular')
    assert.equal(name('2025-06-09T16:00-05:00'), 'break')
    assert.equal(name('2025-06-09T17:00-05:00'), 'regular')
    assert.equal(name('2025-06-13T16:00-05:00'), 'closed')
    assert.equal(cme.sessionAt(at('2025-06-13T16:00-05:00')).to, at('2025-06-15T17:00-05:00'))
  })

  it('halts at noon on Thanksgiving and goes on in the evening, and opens on the evening of Christmas', () => {
    const halt = cme.sessionAt(at('2025-11-27T13:00-06:00'))
    assert.equal(halt.name, 'closed')
    assert.equal(halt.reason, 'Thanksgiving')
    assert.equal(halt.to, at('2025-11-27T17:00-06:00'))
    assert.equal(cme.opensAt(at('2025-12-25T08:00-06:00')), at('2025-12-25T17:00-06:00'))
  })
})

describe('a calendar', () => {
  const moments = fc.integer({ min: at('2010-01-01T00:00Z'), max: at('2031-01-01T00:00Z') - 1 })

  for (const calendar of CALENDARS) {
    it(`covers all time with sessions that touch: ${calendar.id}`, () => {
      fc.assert(
        fc.property(moments, ms => {
          const session = calendar.sessionAt(ms)
          assert.ok(session.from <= ms && ms < session.to, `around ${ms}`)
          assert.equal(session.day === undefined, session.name === 'closed' && !session.early)
          const next = calendar.next(ms)!
          assert.equal(next.from, session.to)
          assert.deepEqual(calendar.sessionAt(session.to), next)
          assert.deepEqual(calendar.sessionAt(session.from), session)
          const before = calendar.sessionAt(session.from - 1)
          assert.equal(before.to, session.from)
          if (session.day !== undefined) {
            assert.ok(
              calendar.day(session.day).sessions.some(it => it.from === session.from),
              `${session.day} has it`,
            )
          }
        }),
        { numRuns: 400 },
      )
    })
  }

  it('walks a year from session to session without a hole, whichever way it is asked', () => {
    for (const calendar of CALENDARS) {
      let total = 0
      const from = at('2024-01-01T00:00Z')
      const to = at('2025-01-01T00:00Z')
      let session = calendar.sessionAt(from)
      for (let ms = from; ms < to; ms = session.to) {
        session = calendar.sessionAt(ms)
        total += Math.min(session.to, to) - ms
      }
      assert.equal(total, 366 * 86_400_000, calendar.id)
    }
  })

  it('answers for the first and last moment there is, and for no other number', () => {
    for (const calendar of CALENDARS) {
      for (const ms of [-62_167_219_200_000, 253_402_300_799_999, 0, -1, 0.5]) {
        const session = calendar.sessionAt(ms)
        assert.ok(session.from <= ms && ms < session.to, `${calendar.id} at ${ms}`)
      }
      for (const ms of [
        Number.NaN,
        Infinity,
        -Infinity,
        253_402_300_800_000,
        -62_167_219_200_001,
      ]) {
        for (const call of ['sessionAt', 'next', 'isOpen', 'opensAt'] as const) {
          assert.throws(() => calendar[call](ms), badOption, `${calendar.id}.${call}(${ms})`)
        }
      }
      for (const day of ['2025-02-29', '2025-13-01', '2025-1-1', 'today', '', '2025-07-03T00:00']) {
        assert.throws(() => calendar.day(day), badOption, day)
      }
    }
  })

  it('opens when one of the sessions asked for begins, and is open at once within one', () => {
    const friday = at('2025-06-06T21:00-04:00')
    const any: SessionName[] = ['overnight', 'pre', 'regular', 'post']
    assert.equal(usEquities.opensAt(friday), at('2025-06-09T09:30-04:00'))
    assert.equal(usEquities.opensAt(friday, ['pre']), at('2025-06-09T04:00-04:00'))
    assert.equal(usEquities.opensAt(friday, any), at('2025-06-08T20:00-04:00'))
    const noon = at('2025-06-06T12:00-04:00')
    assert.equal(usEquities.opensAt(noon), noon)
    assert.equal(usEquities.isOpen(noon), true)
    assert.equal(usEquities.isOpen(noon, ['pre', 'post']), false)
    assert.equal(nse.opensAt(noon, ['overnight']), undefined)
  })

  it('of your own can have a lunch break, other hours by day, and a zone that changes its clocks', () => {
    const own = createCalendar({
      id: 'own',
      market: 'own market',
      zone: 'Europe/Berlin',
      place: 'Berlin',
      holidays: [2025, 2025],
      plan: ({ weekday, month, date }) =>
        weekday !== 1
          ? { stretches: [] }
          : month === 6 && date === 9
            ? { stretches: [], reason: 'Whit Monday' }
            : {
                stretches: [
                  { name: 'regular', from: 540, to: 720 },
                  { name: 'break', from: 720, to: 780 },
                  { name: 'regular', from: 780, to: 1_080 },
                ],
              },
    })
    assert.deepEqual(shown(own, '2025-03-24'), [
      'regular 03-24T08:00–03-24T11:00',
      'break 03-24T11:00–03-24T12:00',
      'regular 03-24T12:00–03-24T17:00',
    ])
    assert.match(shown(own, '2025-03-31')[0]!, /T07:00–/)
    const holiday = own.sessionAt(at('2025-06-09T10:00Z'))
    assert.equal(holiday.reason, 'Whit Monday')
    assert.equal(holiday.to - holiday.from, 14 * 86_400_000 - 9 * 3_600_000)
  })

  it('keeps local time in the hours after the clocks change, on either side of Greenwich', () => {
    const early = (zone: string, from: number) =>
      createCalendar({
        ...forex,
        zone,
        plan: () => ({ stretches: [{ name: 'regular', from, to: 1_380 }] }),
      })
    const opens = (calendar: Calendar, day: string) =>
      new Date(calendar.day(day).sessions[0]!.from).toISOString().slice(0, 16)
    const newYork = early('America/New_York', 180)
    assert.equal(opens(newYork, '2025-03-08'), '2025-03-08T08:00')
    assert.equal(opens(newYork, '2025-03-09'), '2025-03-09T07:00')
    assert.equal(opens(newYork, '2025-11-02'), '2025-11-02T08:00')
    const berlin = early('Europe/Berlin', 60)
    assert.equal(opens(berlin, '2025-03-30'), '2025-03-30T00:00')
    assert.equal(opens(berlin, '2025-03-31'), '2025-03-30T23:00')
  })

  it('that never opens is closed for ever and says so', () => {
    const never = createCalendar({ ...usEquities, id: 'never', plan: () => ({ stretches: [] }) })
    const { name, from, to } = never.sessionAt(0)
    assert.deepEqual({ name, from, to }, { name: 'closed', from: -Infinity, to: Infinity })
    assert.equal(never.next(0), undefined)
    assert.equal(never.opensAt(0), undefined)
  })

  it('with a zone that does not exist or stretches that overlap is refused', () => {
    const rules = { ...forex, id: 'odd', plan: () => ({ stretches: [] }) }
    const martian = createCalendar({ ...rules, zone: 'Mars/Olympus' })
    assert.throws(() => martian.sessionAt(0), badOption)
    for (const [from, to] of [
      [500, 600],
      [700, 700],
      [800, Number.NaN],
    ] as const) {
      const overlapping = createCalendar({
        ...rules,
        plan: () => ({
          stretches: [
            { name: 'pre', from: 0, to: 600 },
            { name: 'regular', from, to },
          ],
        }),
      })
      assert.throws(() => overlapping.sessionAt(0), badOption)
    }
  })

  it('asks for the plan of a day once, however often it is asked', () => {
    let plans = 0
    const counted = createCalendar({
      ...forex,
      plan: () => {
        plans++
        return { stretches: [{ name: 'regular', from: 0, to: 1_440 }] }
      },
    })
    const noon = dayNumber(2025, 6, 3) * 86_400_000 + 16 * 3_600_000
    for (let i = 0; i < 1_000; i++) {
      counted.sessionAt(noon + i)
      counted.sessionAt(noon + i + 86_400_000)
    }
    assert.ok(plans <= 4, `${plans} plans`)
  })
})
