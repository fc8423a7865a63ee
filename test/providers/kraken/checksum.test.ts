// The book's checksum: every documented vector, and those derived from the rules.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MarketEvent } from '../../../src/market/events.ts'
import { bench, bookFrame, events, type Said } from './kit.ts'

type Rows = readonly (readonly [price: string, size: string])[]
const rows = (text: string): Rows =>
  text
    .trim()
    .split(/\s+/)
    .filter(it => it !== '')
    .map(it => it.split('/') as [string, string])

/** https://docs.kraken.com/api/docs/guides/spot-ws-book-v2 */
const BTC = {
  asks: rows(`45285.2/0.00100000 45286.4/1.54571953 45286.6/1.54571109 45289.6/1.54560911
    45290.2/0.15890660 45291.8/1.54553491 45294.7/0.04454749 45296.1/0.35380000 45297.5/0.09945542
    45299.5/0.18772827`),
  bids: rows(`45283.5/0.10000000 45283.4/1.54582015 45282.1/0.10000000 45281.0/0.10000000
    45280.3/1.54592586 45279.0/0.07990000 45277.6/0.03310103 45277.5/0.30000000 45277.3/1.54602737
    45276.6/0.15445238`),
}
/** Printed without the zeros at the end: as a client sees them whose parser has lost those. */
const MATIC = {
  asks: rows(`0.5668/4410.79769741 0.5669/4655.40412487 0.567/49844.89424998 0.5671/24306.41678
    0.5672/29783.25223475 0.5673/57234.71239278 0.5674/45065.04744 0.5675/5912.76380354
    0.5676/42514.92434778 0.5677/36304.0847022`),
  bids: rows(`0.5666/4831.75496356 0.5665/6658.22734739 0.5664/18724.91513344 0.5663/11563.92544914
    0.5662/14006.65365711 0.5661/17454.85679807 0.566/18097.1547 0.5659/33644.89175666
    0.5658/148.3464 0.5657/606.70854372`),
}
const fixed = (levels: Rows, price: number, size: number): Rows =>
  levels.map(([p, s]) => [Number(p).toFixed(price), Number(s).toFixed(size)])

/** Whether a snapshot of these levels has this checksum. */
function fits(asks: Rows, bids: Rows, checksum: number): boolean {
  const said = bench().read(bookFrame('BTC/USD', 'snapshot', bids, asks, checksum))
  return verified(said)
}

const verified = (said: readonly Said[]) => {
  const [event] = events(said)
  return event !== undefined && event.checksum !== undefined
}

const broken = (said: readonly Said[]) =>
  said.some(([what, value]) => what === 'control' && (value as { type: string }).type === 'broken')

describe('documented vectors', () => {
  test('BTC/USD of the guide: 3310070434', () => {
    assert.ok(fits(BTC.asks, BTC.bids, 3310070434))
    assert.ok(!fits(BTC.asks, BTC.bids, 3310070435))
  })

  test('MATIC/USD, and the update behind it: 2439117997, 2114181697', () => {
    const asks = fixed(MATIC.asks, 4, 8)
    const bids = fixed(MATIC.bids, 4, 8)
    const { read } = bench()
    assert.ok(verified(read(bookFrame('MATIC/USD', 'snapshot', bids, asks, 2439117997))))
    const update: Rows = [['0.5657', '1098.39475580']]
    assert.ok(verified(read(bookFrame('MATIC/USD', 'update', update, [], 2114181697))))
  })

  test('digits lost or invented do not pass', () => {
    assert.ok(!fits(MATIC.asks, MATIC.bids, 2439117997))
    assert.ok(fits(MATIC.asks, MATIC.bids, 3830085102), 'the classic wrong answer')
    assert.ok(fits(fixed(MATIC.asks, 5, 8), fixed(MATIC.bids, 5, 8), 1472384375))
  })

  test('v1: 974947235', () => {
    const prices = (text: string) => rows(text).map(([p]) => [p, '0.00000500'] as const)
    const asks = prices(
      '0.05005 0.05010 0.05015 0.05020 0.05025 0.05030 0.05035 0.05040 0.05045 0.05050',
    )
    const bids = prices(
      '0.05000 0.04995 0.04990 0.04980 0.04975 0.04970 0.04965 0.04960 0.04955 0.04950',
    )
    assert.ok(fits(asks, bids, 974947235))
  })
})

describe('derived vectors', () => {
  test('empty, one side, few levels, small numbers', () => {
    assert.ok(fits([], [], 0))
    assert.ok(fits(rows('45285.2/0.00100000'), [], 2099347975))
    assert.ok(fits(rows('50100.00/1.5'), rows('50000.00/1.0'), 1561210927))
    const [asks, bids] = [rows('0.00001234/1000000.00000000'), rows('0.00001233/0.00005100')]
    assert.ok(fits(asks, bids, 2435056006))
  })

  test('a removal among twelve levels moves the eleventh up', () => {
    const asks = Array.from({ length: 12 }, (_, i): [string, string] => {
      return [`${50_100 + 100 * i}.00`, `${i + 1}.5`]
    })
    const bids = Array.from({ length: 12 }, (_, i): [string, string] => {
      return [`${50_000 - 100 * i}.00`, `${i + 1}.0`]
    })
    const { read } = bench()
    assert.ok(verified(read(bookFrame('BTC/USD', 'snapshot', bids, asks, 1190080822))))
    const removal: Rows = [['50000.00', '0.0']]
    assert.ok(verified(read(bookFrame('BTC/USD', 'update', removal, [], 1682644594))))
  })

  test('an exponent is written out by the precision of the pair; without one nothing is claimed', () => {
    const asks: Rows = [['1.234e-05', '1000000.00000000']]
    const bids: Rows = [['0.00001233', '5.1e-05']]
    const frame = bookFrame('BTC/USD', 'snapshot', bids, asks, 2435056006)
    const unknown = bench()
    const [event] = events(unknown.read(frame))
    assert.deepEqual(event?.bids, [[0.00001233, 0.000051]])
    assert.equal(event?.checksum, undefined)
    for (const kind of ['scanner', 'plain'] as const) {
      const known = bench(kind)
      known.read(
        '{"channel":"instrument","type":"snapshot","data":{"pairs":[{"symbol":"BTC/USD","status":"online","price_precision":8,"qty_precision":8}]}}',
      )
      assert.ok(verified(known.read(frame)), kind)
      assert.ok(broken(known.read(bookFrame('BTC/USD', 'snapshot', bids, asks, 1))), kind)
    }
  })
})

describe('keeping a book', () => {
  const snapshot = bookFrame('BTC/USD', 'snapshot', BTC.bids, BTC.asks, 3310070434)

  test('the same price twice in one message: the later one counts', () => {
    const { read } = bench()
    read(bookFrame('BTC/USD', 'snapshot', rows('50000.00/9.9'), rows('50100.00/1.5'), 0))
    const twice = rows('50000.00/7.7 50000.00/0 50000.00/1.0')
    const fresh = bench()
    fresh.read(bookFrame('BTC/USD', 'snapshot', [], [], 0))
    assert.ok(
      verified(fresh.read(bookFrame('BTC/USD', 'update', twice, rows('50100.00/1.5'), 1561210927))),
    )
  })

  test('what falls out of the depth is given to readers as a removal', () => {
    const { read } = bench('scanner', { depth: 25 })
    const asks = Array.from({ length: 25 }, (_, i): [string, string] => [`${101 + i}`, '1'])
    read(bookFrame('BTC/USD', 'snapshot', [], asks, crcOf(asks)))
    const better: Rows = [['100', '2']]
    const after = [...better, ...asks]
    const [event] = events(read(bookFrame('BTC/USD', 'update', [], better, crcOf(after))))
    assert.deepEqual(event?.asks, [
      [100, 2],
      [125, 0],
    ])
    // It comes back in scope as the venue says so, and is not in the book twice.
    const removal: Rows = [
      ['100', '0'],
      ['125', '3'],
    ]
    const last = [...asks.slice(0, 24), ['125', '3'] as const]
    assert.ok(verified(read(bookFrame('BTC/USD', 'update', [], removal, crcOf(last)))))
  })

  test('a wrong checksum gives no event; deltas are left out until the next snapshot', () => {
    const { read } = bench()
    assert.ok(verified(read(snapshot)))
    const delta = bookFrame('BTC/USD', 'update', rows('45283.5/0.2'), [], 1)
    assert.deepEqual(read(delta), [
      [
        'control',
        { type: 'broken', reason: 'the checksum does not fit', covers: ['book BTC/USD'] },
      ],
    ])
    assert.deepEqual(read(delta), [], 'said once')
    assert.ok(verified(read(snapshot)))
  })

  test('a snapshot that does not come is asked for once more', () => {
    const { read } = bench()
    const [at, delta] = [1_700_000_000_000, bookFrame('BTC/USD', 'update', [], [], 1)]
    read(snapshot, at)
    assert.ok(broken(read(delta, at)))
    const asked = [1, 4, 5, 6, 9, 10, 30].filter(s => broken(read(delta, at + s * 1_000)))
    assert.deepEqual(asked, [5, 10, 30])
    assert.ok(verified(read(snapshot, at + 31_000)))
    assert.ok(broken(read(delta, at + 32_000)))
    assert.deepEqual(read(delta, at + 33_000), [], 'the wait begins anew')
  })

  test('a delta before any snapshot is of no use', () => {
    const { read } = bench()
    assert.deepEqual(read(bookFrame('BTC/USD', 'update', rows('1/1'), [], 1)), [])
  })

  test('a pair whose checksums never fit goes on unverified, which the stream says', () => {
    const doubtful = bench()
    const wrong = bookFrame('BTC/USD', 'snapshot', BTC.bids, BTC.asks, 5)
    for (let i = 0; i < 4; i++) assert.ok(broken(doubtful.read(wrong)), `${i}`)
    const [notice, event] = doubtful.read(wrong).map(([, value]) => value as MarketEvent)
    assert.equal(notice?.type === 'notice' && notice.notice, 'unverified')
    assert.equal(notice?.symbol, 'BTC/USD')
    assert.ok(event?.type === 'book' && event.snapshot)
    assert.equal(event.checksum, undefined, 'published, and not claimed to be right')
    assert.equal(doubtful.warnings.length, 1)
    // What fits again is marked so at once, and when it has for long, a wrong one breaks the book again.
    for (let i = 0; i < 100; i++) assert.ok(verified(doubtful.read(snapshot)))
    assert.ok(broken(doubtful.read(wrong)))
  })

  test('one right checksum is enough: a pair that was right is never doubted', () => {
    const { read, warnings } = bench()
    const wrong = bookFrame('BTC/USD', 'update', rows('45283.5/0.2'), [], 5)
    for (let i = 0; i < 20; i++) {
      assert.ok(verified(read(snapshot)))
      assert.ok(broken(read(wrong)), `${i}`)
    }
    assert.deepEqual(warnings, [])
  })

  test('a change that does not fit is never delivered, however many did not', () => {
    const { read } = bench()
    const wrong = bookFrame('BTC/USD', 'snapshot', BTC.bids, BTC.asks, 5)
    read(snapshot)
    assert.ok(broken(read(bookFrame('BTC/USD', 'update', rows('45283.5/0.2'), [], 5))))
    for (let i = 0; i < 3; i++) assert.ok(broken(read(wrong)))
    assert.ok(
      events(read(wrong)).some(event => event.snapshot),
      'only a whole one is',
    )
  })

  test('a message of a book that cannot be read breaks it', () => {
    const { read } = bench()
    read(snapshot)
    const said = read(bookFrame('BTC/USD', 'update', rows('45283.5/-1'), [], 1))
    assert.equal(said[0]?.[0], 'malformed')
    assert.ok(broken(said))
  })

  test('any number of random changes: the book is that of a plain map, and its checksum fits', () => {
    let seed = 7
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
      return Math.floor((seed / 2 ** 32) * below)
    }
    for (const depth of [25, 100]) {
      const { read } = bench('scanner', { depth })
      const sides = { bids: new Map<string, string>(), asks: new Map<string, string>() }
      /** What readers make of the events: without any depth of their own. */
      const seen = { bids: new Map<number, number>(), asks: new Map<number, number>() }
      const cut = (side: 'bids' | 'asks') => {
        const sign = side === 'bids' ? -1 : 1
        const sorted = [...sides[side]].sort(([a], [b]) => sign * (Number(a) - Number(b)))
        sides[side] = new Map(sorted.slice(0, depth))
        return [...sides[side]]
      }
      read(bookFrame('BTC/USD', 'snapshot', [], [], 0))
      for (let round = 0; round < 2_000; round++) {
        const change = (side: 'bids' | 'asks'): Rows =>
          Array.from({ length: random(4) }, () => {
            const base = side === 'bids' ? 1_000 : 1_200
            const price = (base + random(depth * 3) / 2).toFixed(1)
            const size = random(3) === 0 ? '0.0000' : (random(5_000) / 1_000 + 0.001).toFixed(4)
            if (Number(size) === 0) sides[side].delete(price)
            else sides[side].set(price, size)
            return [price, size]
          })
        const [bids, asks] = [change('bids'), change('asks')]
        const crc = crcOf(cut('asks'), cut('bids'))
        const said = read(bookFrame('BTC/USD', 'update', bids, asks, crc))
        assert.ok(verified(said), `round ${round}`)
        const [event] = events(said)
        for (const side of ['bids', 'asks'] as const) {
          for (const [price, size] of event![side] as [number, number][]) {
            if (size > 0) seen[side].set(price, size)
            else seen[side].delete(price)
          }
          const expected = [...sides[side]].map(([p, s]) => [Number(p), Number(s)])
          const sign = side === 'bids' ? -1 : 1
          const found = [...seen[side]].sort(([a], [b]) => sign * (a - b))
          assert.deepEqual(found, expected, `round ${round}`)
        }
      }
    }
  })
})

/** The checksum by the documentation's own words. */
function crcOf(asks: Rows, bids: Rows = []): number {
  const text = [asks, bids]
    .flatMap(side => side.slice(0, 10))
    .map(level => level.map(it => it.replace('.', '').replace(/^0+/, '')).join(''))
    .join('')
  let crc = 0xffffffff
  for (const c of text) {
    crc ^= c.charCodeAt(0)
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return ~crc >>> 0
}
