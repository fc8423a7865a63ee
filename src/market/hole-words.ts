/**
 * The symbols a notice about holes speaks of in its words, where it tells of many and has no `symbol`:
 * `the hole in trades of A, B since 2025-…`. None where it is worded otherwise.
 */
export const symbolsOfHoles = (message: string): readonly string[] =>
  /^the hole in (?:\w+ )+?of (.*?) since \d{4}-/.exec(message)?.[1]?.split(', ') ?? []
