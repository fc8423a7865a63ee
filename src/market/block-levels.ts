import type { HeadStates } from './block-fields.ts'
import type { ByteReader } from './byte-reader.ts'
import { type ByteWriter, badBlock, INT_END, mantissaAt, POWERS } from './bytes.ts'
import { notAnEvent } from './dictionary-writer.ts'
import type { Level } from './events.ts'

/*
 * One side of a book. Nearly always all its prices have one scale and all its sizes another, and then both are whole
 * numbers: a price relative to the one before it, a size as it is. Otherwise each number stands in full.
 */

/** In place of the two scales. */
const IN_FULL = 255

/** @throws BAD_EVENT when they are no levels */
export function writeLevels(
  out: ByteWriter,
  value: unknown,
  states: HeadStates,
  slot: number,
): void {
  const levels = checkLevels(value)
  out.uint(levels.length)
  if (levels.length === 0) return
  const mark = out.hold()
  const scales = writeScaled(out, levels, states, slot)
  out.bytes[mark] = scales
  if (scales !== IN_FULL) return
  out.length = mark + 1
  for (const [price, size] of levels) {
    out.number(price)
    out.number(size)
  }
}

/** The two scales, or IN_FULL when the levels have none. */
function writeScaled(
  out: ByteWriter,
  levels: readonly Level[],
  { scale, mantissa }: HeadStates,
  slot: number,
): number {
  const priceScale = scaleOf(levels, 0, scale[slot]!)
  const sizeScale = scaleOf(levels, 1, 0)
  if (priceScale < 0 || sizeScale < 0) return IN_FULL
  const [pricePower, sizePower] = [POWERS[priceScale]!, POWERS[sizeScale]!]
  let last = mantissa[slot]! * POWERS[priceScale - scale[slot]!]!
  for (let i = 0; i < levels.length; i++) {
    const [price, size] = levels[i]!
    const digits = Math.round(price * pricePower)
    const sizeDigits = Math.round(size * sizePower)
    const delta = digits - last
    // A finer scale than the number's own may round differently.
    if (digits / pricePower !== price || sizeDigits / sizePower !== size) return IN_FULL
    if (!(delta < INT_END && delta > -INT_END)) return IN_FULL
    if (sizeDigits < 0 || sizeDigits > Number.MAX_SAFE_INTEGER) return IN_FULL
    out.int(delta)
    out.wide(sizeDigits)
    last = digits
  }
  scale[slot] = priceScale
  mantissa[slot] = last
  return priceScale | (sizeScale << 4)
}

/** The least scale from one on that holds all prices (column 0) or sizes (1) exactly; -1 when none does. */
function scaleOf(levels: readonly Level[], column: 0 | 1, from: number): number {
  let scale = from
  for (let i = 0; i < levels.length; i++) {
    while (Number.isNaN(mantissaAt(levels[i]![column], scale))) {
      if (++scale === POWERS.length) return -1
    }
  }
  return scale
}

/** @throws BAD_BLOCK */
export function readLevels(from: ByteReader, { scale, mantissa }: HeadStates, slot: number) {
  const count = from.uint()
  const levels: Level[] = []
  if (count === 0) return levels
  const scales = from.byte()
  if (scales === IN_FULL) {
    for (let i = 0; i < count; i++) levels.push([readNumber(from), readNumber(from)])
    return levels
  }
  const [priceScale, sizeScale] = [scales & 15, scales >>> 4]
  const [pricePower, sizePower] = [POWERS[priceScale], POWERS[sizeScale]]
  const finer = POWERS[priceScale - scale[slot]!]
  if (pricePower === undefined || sizePower === undefined || finer === undefined) {
    return badBlock('no such scale of levels')
  }
  let last = mantissa[slot]! * finer
  for (let i = 0; i < count; i++) {
    last += from.int()
    levels.push([last / pricePower, from.wide() / sizePower])
  }
  scale[slot] = priceScale
  mantissa[slot] = last
  return levels
}

function readNumber(from: ByteReader): number {
  return from.number() ?? badBlock('a number of a level is missing')
}

function checkLevels(value: unknown): readonly Level[] {
  if (!Array.isArray(value)) return notAnEvent('levels are missing')
  for (const level of value) {
    if (!Array.isArray(level) || level.length !== 2) notAnEvent('a level is no pair')
    if (typeof level[0] !== 'number' || typeof level[1] !== 'number') {
      notAnEvent('a level holds no number')
    }
  }
  return value
}
