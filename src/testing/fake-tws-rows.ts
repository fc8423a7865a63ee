import type { Level } from '../market/events.ts'

/** A step of a book: row, operation (0 insert, 1 update, 2 delete), price, size. */
export type RowStep = readonly [position: number, operation: 0 | 1 | 2, price: number, size: number]

/**
 * The steps from one side of a book to the next, as TWS writes them: rows are put in and taken out where they stand, and
 * the one that is pushed out at the bottom is not told.
 */
export function rowSteps(
  before: readonly Level[],
  after: readonly Level[],
  side: 'bids' | 'asks',
  most: number,
): RowStep[] {
  const rows = before.slice(0, most)
  const wanted = after.slice(0, most)
  const better = (a: number, b: number) => (side === 'bids' ? a > b : a < b)
  const steps: RowStep[] = []
  for (let i = 0; i < wanted.length; ) {
    const [price, size] = wanted[i]!
    const row = rows[i]
    if (!row || better(price, row[0])) {
      rows.splice(i, 0, [price, size])
      if (rows.length > most) rows.length = most
      steps.push([i, 0, price, size])
      i++
    } else if (row[0] === price) {
      if (row[1] !== size) {
        rows[i] = [price, size]
        steps.push([i, 1, price, size])
      }
      i++
    } else {
      rows.splice(i, 1)
      steps.push([i, 2, 0, 0])
    }
  }
  while (rows.length > wanted.length) {
    rows.pop()
    steps.push([rows.length, 2, 0, 0])
  }
  return steps
}
