/**
 * JSON as text, with whole numbers beyond 2^53 as texts of their digits: an id or a time in nanoseconds that
 * `JSON.parse` reads as a number is rounded. @throws SyntaxError
 */
export function parseExact(text: string): unknown {
  return JSON.parse(/\d{16}/.test(text) ? quoteLong(text) : text)
}

/** Whole numbers of 16 digits and more put in quotes; what stands in texts stays. */
function quoteLong(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])|-?\d[\d.eE+-]*/g, found =>
    /^-?\d{16,}$/.test(found) ? `"${found}"` : found,
  )
}

/** What stands at a path of a parsed value; `undefined` when there is nothing. */
export function at(value: unknown, path: string): unknown {
  if (path === '.') return value
  let found = value
  for (const name of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined
    found = (found as Record<string, unknown>)[name]
  }
  return found
}

/** What stands at a path of one record. */
export type Reading = (path: string) => unknown

/** Reads a record, and what it does not have itself from the message around it. */
export function reading(record: unknown, around?: unknown): Reading {
  if (around === undefined) return path => at(record, path)
  return path => {
    const own = at(record, path)
    return own === undefined ? at(around, path) : own
  }
}

/** Whether each path holds its value; a wanted `null` is for a path that is not there, or `null`. */
export function fits(
  read: Reading,
  when: Readonly<Record<string, string | number | boolean | null>>,
): boolean {
  return Object.entries(when).every(([path, wanted]) => (read(path) ?? null) === wanted)
}
