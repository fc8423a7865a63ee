import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readCsv } from '../../src/app/import-csv.ts'
import { csvColumns, csvHeader, decodeCsv, encodeCsv } from '../../src/market/csv.ts'
import { createEvent, EVENT_TYPES, type MarketEvent } from '../../src/market/events.ts'
import { manyEvents } from '../store/kit.ts'

async function* pieces(text: string, size: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size)
}

async function records(text: string, size = text.length) {
  const found = []
  for await (const batch of readCsv(pieces(text, size))) found.push(...batch)
  return found
}

async function thereAndBack(events: readonly MarketEvent[]): Promise<MarketEvent[]> {
  const kind = events[0]!.type
  const [head, ...rows] = await records(csvHeader(kind) + events.map(encodeCsv).join(''), 1_000)
  assert.deepEqual(head!.cells, csvColumns(kind))
  return rows.map(({ cells }) => decodeCsv(head!.cells, cells))
}

describe('an event as a line of CSV', () => {
  for (const kind of EVENT_TYPES) {
    it(`comes back in every field: ${kind}`, async () => {
      const events = manyEvents(400, 7, [kind])
      assert.deepEqual(await thereAndBack(events), events)
    })
  }

  it('keeps an id of digits a text, and a number a number', async () => {
    const trade = (id: string | number) =>
      createEvent({ type: 'trade', symbol: 'A', timestamp: 5, price: 1, size: 1, id })
    const events = ['17', 17, '', '"', '9007199254740993', 'x,"y"\nz'].map(trade)
    assert.deepEqual(await thereAndBack(events), events)
  })

  it('is refused where a needed field is empty or a word is unknown', () => {
    const columns = csvColumns('trade')
    const trade = createEvent({ type: 'trade', symbol: 'A', timestamp: 5, price: 1, size: 1 })
    const cells = encodeCsv(trade).trimEnd().split(',')
    const without = (name: string, text: string) => {
      const changed = [...cells]
      changed[columns.indexOf(name)] = text
      return () => decodeCsv(columns, changed)
    }
    assert.throws(without('price', ''), /price: it is empty/)
    assert.throws(without('price', '12,5'), /price: "12,5" is no number/)
    assert.throws(without('flags', 'real'), /flags: unknown word "real"/)
    assert.throws(without('timestamp', 'noon'), /timestamp: "noon" is no time/)
    assert.throws(without('type', 'tarde'), /unknown kind "tarde"/)
  })
})

describe('a CSV file', () => {
  const text = '\uFEFFa;b\r\n1;"x;""y""\r\nz"\r\n\r\n2;\r\n3;"never closed\n4;5'
  const expected = [
    { line: 1, cells: ['a', 'b'] },
    { line: 2, cells: ['1', 'x;"y"\r\nz'] },
    { line: 5, cells: ['2', ''] },
    { line: 6, cells: ['3;"never closed'], fault: 'a quote in it is not closed' },
    { line: 7, cells: ['4', '5'] },
  ]

  it('is read the same however its pieces are cut', async () => {
    for (let size = 1; size <= text.length; size++) {
      assert.deepEqual(await records(text, size), expected, `pieces of ${size}`)
    }
  })
})
