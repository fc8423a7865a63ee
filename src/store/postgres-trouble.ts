import { asError, type ErrorCode, TickwireError } from '../base/errors.ts'

/** A URL without its password: for messages and logs. */
export function shownUrl(url: string): string {
  try {
    const parsed = new URL(url)
    if (parsed.password !== '') parsed.password = '***'
    for (const name of [...parsed.searchParams.keys()]) {
      if (/pass/i.test(name)) parsed.searchParams.set(name, '***')
    }
    return parsed.href
  } catch {
    return 'an address that is no URL'
  }
}

const UNREACHABLE =
  /^(?:E(?:CONN|HOST|NET|ADDR|TIMED|PIPE|AI_)|ENOTFOUND|ENOENT|08|57P0[1-5]|53300|SELF_SIGNED|CERT|UNABLE|DEPTH|ERR_TLS|ERR_SSL)/
/** Of the driver, which gives no code. */
const LOST =
  /timeout|timed out|terminated|ended the connection|was cut|is closed|not queryable|ECONN|does not support SSL/i

/** What is known of an error of the driver or the server, in our words. `what` could not be done. */
export function postgresTrouble(thrown: unknown, url: string, what: string): TickwireError {
  const error = asError(thrown)
  if (error instanceof TickwireError) return error
  const { code = '' } = error as { code?: string }
  const message = messageOf(error)
  const make = (as: ErrorCode, hint: string) =>
    new TickwireError(as, `${what}: ${message}`, { cause: error, hint })
  const where = shownUrl(url)
  if (code === '28P01' || code === '28000' || /password|SASL|SCRAM/i.test(message)) {
    return make('STORE_REFUSED', `Look at the user and password of ${where}, and at pg_hba.conf.`)
  }
  if (code === '3D000') {
    return make(
      'STORE_REFUSED',
      `Make the database in ${where}, with \`createdb\` or \`create database\`; the tables come by themselves.`,
    )
  }
  if (code === '42501') {
    return make(
      'STORE_REFUSED',
      'Grant the user what is missing: docs/stores/postgres.md lists the least it needs.',
    )
  }
  if (code === '53100' || /No space left/i.test(message)) {
    return make('STORE_UNWRITABLE', "Make room on the server's disk: what is missing comes then.")
  }
  if (code === '25006') {
    return make('STORE_UNWRITABLE', 'The server takes no writes (a standby?): name the primary.')
  }
  if (/^53/.test(code) && code !== '53300') {
    return make('STORE_UNWRITABLE', 'The server lacks memory or other means; look at its log.')
  }
  if (UNREACHABLE.test(code) || LOST.test(message)) {
    return make('STORE_UNREACHABLE', `Look whether the server of ${where} runs and can be reached.`)
  }
  if (code === '42P01' || code === '3F000' || code === '42703') {
    return make('STORE_UNWRITABLE', 'A table is missing or changed: run `tickwire store init`.')
  }
  if (code === '57014') return make('CLOSED', 'Ask again.')
  return make('STORE_UNWRITABLE', `The server says ${code || 'no more'}; look at its log.`)
}

/** Several attempts (IPv6, IPv4) come as one error without a text. */
function messageOf(error: Error & { readonly errors?: readonly Error[] }): string {
  const text = error.message || error.errors?.map(({ message }) => message).join(', ') || error.name
  const [line = ''] = text.split('\n')
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}
