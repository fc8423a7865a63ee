import type { Log } from '../base/log.ts'

/** A log that also tells of errors: a store that fails and tries again by itself says so there, and nowhere else. */
export function heardLog(log: Log, heard: (message: string) => void): Log {
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error(fields, message) {
      log.error(fields, message)
      heard(message)
    },
  }
}
