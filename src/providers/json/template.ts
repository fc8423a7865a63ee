import { TickwireError } from '../../base/errors.ts'

export type Variables = Readonly<Record<string, string | undefined>>

/** `${NAME}` in every text of a value replaced by the variable. @throws MISSING_KEY for one that is not set */
export function fill(value: unknown, variables: Variables): unknown {
  return mapTexts(value, text =>
    text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const found = variables[name]
      if (found !== undefined && found !== '') return found
      throw new TickwireError('MISSING_KEY', `the variable ${name} is not set`, {
        hint: `The configuration of the json provider uses it: put ${name}=… into .env or the environment.`,
      })
    }),
  )
}

/** What stands for something in a message. */
export interface Blanks {
  readonly symbols: readonly string[]
  readonly id: number
}

/**
 * A message with its blanks filled: `"{symbols}"` as a whole text is the list and in a longer one the list joined by
 * commas, `{symbol}` is the only one, `{id}` the number (as a whole text, not in quotes).
 */
export function render(message: unknown, { symbols, id }: Blanks): unknown {
  return mapTexts(message, text => {
    if (text === '{symbols}') return symbols
    if (text === '{id}') return id
    return text.replace(/\{(symbols|symbol|id)\}/g, (_, name: string) =>
      name === 'id' ? String(id) : symbols.join(','),
    )
  })
}

/** Whether a message takes one symbol at a time. */
export function takesOne(message: unknown): boolean {
  return (JSON.stringify(message) ?? '').includes('{symbol}')
}

function mapTexts(value: unknown, map: (text: string) => unknown): unknown {
  if (typeof value === 'string') return map(value)
  if (Array.isArray(value)) return value.map(item => mapTexts(item, map))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, map)]))
}
