import type { EventType } from '../market/events.ts'
import { type KindTable, ODD } from './columns.ts'
import { shownColumns } from './schema.ts'

/** What makes two rows of a kind on one day the same: where the condition holds these columns, else all of them. */
export const IDENTITY: Readonly<
  Partial<Record<EventType, { readonly where: string; readonly columns: readonly string[] }>>
> = {
  trade: {
    where: '(id is not null or id_text is not null)',
    columns: ['symbol', 'source', 'exchange', 'id', 'id_text'],
  },
  cancel: {
    where: '(id is not null or id_text is not null)',
    columns: ['symbol', 'source', 'exchange', 'id', 'id_text'],
  },
  correction: {
    where: '(original_id is not null or original_id_text is not null)',
    columns: [
      ...['symbol', 'source', 'exchange', 'original_id', 'original_id_text'],
      ...['price', 'size'],
    ],
  },
  bar: {
    where: 'true',
    columns: [
      ...['symbol', 'source', 'ts', 'interval', 'adjustment', 'open', 'high', 'low', 'close'],
      ...['volume', 'trade_count'],
    ],
  },
}

/** Never part of what the venue said. */
const OURS = ['received_ms', 'flags', 'tape_id', 'seq']

/** All columns of what the venue said. */
export function saidColumns(table: KindTable): string[] {
  return [...shownColumns(table), ODD].filter(name => !OURS.includes(name))
}

export function sameIn(columns: readonly string[]): string {
  return columns.map(name => `s."${name}" is not distinct from k."${name}"`).join(' and ')
}

export function quotedList(columns: readonly string[]): string {
  return columns.map(name => `"${name}"`).join(', ')
}
