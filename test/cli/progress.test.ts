import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Progress, timeText } from '../../src/cli/progress.ts'
import { handClock } from '../../src/testing/clock.ts'

function setUp(tty: boolean, total?: number) {
  const clock = handClock()
  let text = ''
  const progress = new Progress({
    ...{ label: 'importing', unit: 'rows', total, tty, clock, width: () => 60 },
    write: piece => {
      text += piece
    },
  })
  const take = () => {
    const all = text
    text = ''
    return all
  }
  return { clock, progress, take }
}

describe('progress', () => {
  it('says rate and time left, a line now and then where there is no terminal', () => {
    const { clock, progress, take } = setUp(false, 4_000)
    const said: string[] = []
    for (let second = 1; second <= 25; second++) {
      clock.turn(1_000)
      progress.update(second * 100)
      said.push(...take().split('\n').filter(Boolean))
    }
    assert.deepEqual(said, [
      'importing: 1,000 of 4,000 rows (25 %), 100/s, 30 s left',
      'importing: 2,000 of 4,000 rows (50 %), 100/s, 20 s left',
    ])
  })

  it('lives in one line of a terminal, which other lines and the end take away', () => {
    const { clock, progress, take } = setUp(true)
    progress.update(5)
    assert.equal(take(), '', 'work that is done at once needs no words')
    clock.turn(1_000)
    progress.detail = 'a file with a name that is longer than the terminal is wide'
    progress.update(500)
    const line = take()
    assert.match(line, /^\rimporting: 500 rows, 500\/s · a file/)
    assert.ok(line.length < 60 + 5)
    progress.say('something else')
    assert.equal(take(), '\r\x1b[Ksomething else\n')
    progress.end()
    assert.equal(take(), '')
    clock.turn(1_000)
    progress.update(600)
    take()
    progress.end()
    assert.equal(take(), '\r\x1b[K')
  })

  it('has the rate of the last seconds, not of the beginning', () => {
    const { clock, progress, take } = setUp(false, 1_000_000)
    for (let second = 1; second <= 60; second++) {
      clock.turn(1_000)
      progress.update(second <= 20 ? second : 20 + (second - 20) * 1_000)
    }
    assert.match(take().split('\n').at(-2)!, / 1,000\/s/)
  })

  it('writes times as people say them', () => {
    assert.deepEqual([8.2, 200, 7_500].map(timeText), ['9 s', '3 min 20 s', '2 h 05 min'])
  })
})
