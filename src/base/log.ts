/** Where the library writes what an operator may want to read; pino and console both fit. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const nothing = () => {}

/** The default: warnings and errors to stderr, so that nothing that went wrong is silent. */
export const stderrLog: Log = {
  debug: nothing,
  info: nothing,
  warn: (fields, message) => console.error(`tickwire: ${message}`, fields),
  error: (fields, message) => console.error(`tickwire: ${message}`, fields),
}

/** Swallows everything; for tests and for programs that look at `feed.on('error')` and the notices themselves. */
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
