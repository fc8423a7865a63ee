import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { tableOf } from '../../src/store/columns.ts'
import { type DetailEntry, Details, type HeadEntry, Heads } from '../../src/store/dictionary.ts'

type Values = [
  exchange: string | undefined,
  conditions: readonly string[] | undefined,
  tape: string | undefined,
  side: string | undefined,
]

describe('the words of rows', () => {
  it('go by a number each, however many there are, met lately or long ago', () => {
    const random = seededRandom(11)
    const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
    const exchanges = ['V', 'Q', '', 'XNAS', 'é', '−', undefined, '1', '11']
    const codes = ['@', 'F', 'I', '', 'T', '@F', undefined]
    const values = (): Values => {
      const some = [pick(codes), pick(codes), pick(codes)].filter(code => code !== undefined)
      // Another list each time, as each block brings its own.
      const conditions = random() < 0.1 ? undefined : some
      return [pick(exchanges), conditions, pick(['A', 'C', undefined]), pick(['buy', undefined])]
    }
    const known = new Map<string, number>()
    const written: DetailEntry[] = []
    let details = new Details(tableOf('trade'))
    for (let i = 0; i < 30_000; i++) {
      const one = values()
      const key = JSON.stringify(one.map(value => value ?? null))
      const id = details.find(...one)
      assert.equal(id, known.get(key) ?? known.size + 1)
      known.set(key, id)
      if (i % 10_000 < 9_999) continue
      // Opened anew, it knows what was written.
      written.push(...details.takeFresh())
      assert.equal(written.length, known.size)
      details = new Details(tableOf('trade'), written)
    }
    assert.ok(known.size > 5_000)
    for (const { id, values } of written) {
      assert.equal(known.get(JSON.stringify(values.map(value => value ?? null))), id)
    }
  })

  it('and their symbols, sources and flags', () => {
    const random = seededRandom(12)
    const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
    const known = new Map<string, number>()
    const written: HeadEntry[] = []
    let heads = new Heads()
    for (let i = 0; i < 5_000; i++) {
      const one = [pick(['A', '', undefined, 'B/C']), pick(['x', 'y']), pick([0, 1, 8])] as const
      const id = heads.find(...one)
      const key = JSON.stringify([one[0] ?? null, one[1], one[2]])
      assert.equal(id, known.get(key) ?? known.size + 1)
      known.set(key, id)
      if (i % 100 < 99) continue
      written.push(...heads.takeFresh())
      heads = new Heads(written)
    }
    assert.equal(written.length, 24)
  })
})
