import { TickwireError } from '../base/errors.ts'

/** `2025-06-02`, `2025-06-02T13:30`, with or without seconds, fraction and zone; UTC unless it names one. @throws BAD_OPTION */
export function parseMoment(text: string): number {
  const [, day, time = 'T00:00', zone = 'Z'] = MOMENT.exec(text) ?? []
  const ms = day ? Date.parse(`${day}${time.replace(' ', 'T')}${zone}`) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw new TickwireError('BAD_OPTION', `not a time: ${JSON.stringify(text)}`, {
    hint: 'Write 2025-06-02, 2025-06-02T13:30 or 2025-06-02T13:30:05.250-04:00; without a zone it is UTC.',
  })
}

const MOMENT = /^(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?(Z|[+-]\d\d:\d\d)?$/

/** `1`, `0.5`, `10x`, `max`. @throws BAD_OPTION */
export function parseSpeed(text: string): number {
  if (text === 'max') return Number.POSITIVE_INFINITY
  const [, number] = /^(\d{1,6}(?:\.\d{1,3})?)x?$/.exec(text) ?? []
  if (Number(number) > 0) return Number(number)
  throw new TickwireError('BAD_OPTION', `--speed cannot be ${JSON.stringify(text)}`, {
    hint: 'Give 1 for as it happened, 10 for ten times as fast, or max.',
  })
}
