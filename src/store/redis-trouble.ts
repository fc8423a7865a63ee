import { asError, type ErrorCode, TickwireError } from '../base/errors.ts'
import { shownUrl } from './postgres-trouble.ts'

/** What is known of an error of the driver or the server, in our words. `what` could not be done. */
export function redisTrouble(
  thrown: unknown,
  { url, prefix }: { readonly url: string; readonly prefix: string },
  what: string,
): TickwireError {
  const error = asError(thrown)
  if (error instanceof TickwireError) return error
  const message = messageOf(error)
  const where = shownUrl(url)
  const make = (code: ErrorCode, hint: string) =>
    new TickwireError(code, `${what}: ${message}`, { cause: error, hint })
  if (/WRONGPASS|NOAUTH|invalid username-password|AUTH/i.test(message)) {
    return make('STORE_REFUSED', `Look at the user and password of ${where}.`)
  }
  if (/NOPERM/.test(message)) {
    return make(
      'STORE_REFUSED',
      'Give the user what is missing: docs/stores/redis.md lists the least it needs.',
    )
  }
  if (/^OOM/.test(message)) {
    return make('STORE_UNWRITABLE', 'Redis has no memory left (maxmemory): give it more.')
  }
  if (/MISCONF|READONLY/.test(message)) {
    return make('STORE_UNWRITABLE', 'Redis takes no writes: its disk is full, or it is a replica.')
  }
  // With braces it is only that the keys have moved to another server.
  if (/CROSSSLOT|MOVED/.test(message) && !/\{.+\}/.test(prefix)) {
    return make(
      'BAD_OPTION',
      "In a cluster all keys must be in one slot: set `stores.redis.prefix: '{tickwire}'`.",
    )
  }
  if (/DB index is out of range/.test(message)) {
    return make('STORE_REFUSED', `Name a database that is there: the number behind ${where}.`)
  }
  if (/WRONGTYPE/.test(message)) {
    return make('STORE_UNWRITABLE', 'A key of that name is of other use: set another prefix.')
  }
  if (/^(?:ERR|EXECABORT)/.test(message)) {
    return make('STORE_UNWRITABLE', 'Look at the log of Redis.')
  }
  return make('STORE_UNREACHABLE', `Look whether the server of ${where} runs and can be reached.`)
}

function messageOf(error: Error & { readonly errors?: readonly Error[] }): string {
  return error.message || error.errors?.map(({ message }) => message).join(', ') || error.name
}
