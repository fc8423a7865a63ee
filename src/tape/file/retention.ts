export interface Retention {
  /** Events received longer ago may go, ms. @default none */
  readonly ageMs?: number
  /** Above this size of all files the oldest may go, bytes. @default 10 GiB */
  readonly bytes?: number
  /** Above this size the oldest go even where a store has not read them yet, bytes. @default twice `bytes` */
  readonly maxBytes?: number
}

/** What retention looks at of a file. */
export interface Aged {
  readonly first: number
  /** Number of the last event in it. */
  readonly last: number
  readonly bytes: number
  /** When its newest event was received as far as is known, epoch ms. */
  readonly newest: number
}

export const RETENTION_BYTES = 10 * 1_024 ** 3

/**
 * How many of the oldest files are to go. Age and size stop before what a store has yet to read (`heldFrom`: the lowest
 * number still needed); `maxBytes` does not.
 */
export function outlived(
  files: readonly Aged[],
  { ageMs = Number.POSITIVE_INFINITY, bytes = RETENTION_BYTES, maxBytes = bytes * 2 }: Retention,
  heldFrom: number,
  now: number,
): number {
  let size = files.reduce((sum, file) => sum + file.bytes, 0)
  let count = 0
  const newest = files.map(file => file.newest)
  // Nothing was received in the future: of a file that says so the age is that of the next, which came after it.
  for (let i = files.length - 2; i >= 0; i--) if (newest[i]! > now) newest[i] = newest[i + 1]!
  // The newest file stays: it is being written.
  for (const file of files.slice(0, -1)) {
    const may = size > bytes || now - newest[count]! > ageMs
    if (!(size > maxBytes || (may && file.last < heldFrom))) break
    size -= file.bytes
    count++
  }
  return count
}
