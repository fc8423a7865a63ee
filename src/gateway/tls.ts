import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { stampOf } from './stamp.ts'

/** How often the files are looked at, ms: certificates are renewed while the gateway runs. */
const LOOK_MS = 10_000
/** So long before its end a certificate is warned of, ms. */
const SOON_MS = 14 * 86_400_000

export interface TlsPaths {
  /** The certificate, with those between it and its root (PEM). */
  readonly cert: string
  /** Its private key (PEM). */
  readonly key: string
}

export interface TlsPair {
  readonly cert: Buffer
  readonly key: Buffer
}

export interface TlsOptions extends TlsPaths {
  /** Hears of another pair that has been found good. */
  readonly changed: (pair: TlsPair) => void
  readonly clock: Clock
  readonly log: Log
}

/**
 * A certificate and its key from files, looked at again every ten seconds. A new pair that does not fit, as while only one
 * of the two has been replaced, changes nothing: it is told of once, and tried again.
 */
export class TlsFiles {
  readonly #options: TlsOptions
  #pair: TlsPair
  #stamp: string
  #trouble: string | undefined
  #timer: Timer | undefined

  /** @throws TLS_UNUSABLE */
  constructor(options: TlsOptions) {
    this.#options = options
    this.#stamp = stampsOf(options)
    this.#pair = readPair(options)
    this.#warn()
    this.#look()
  }

  get pair(): TlsPair {
    return this.#pair
  }

  /** Reads the files now; returns why they cannot be used. */
  reload(): TickwireError | undefined {
    const stamp = stampsOf(this.#options)
    try {
      const pair = readPair(this.#options)
      this.#stamp = stamp
      this.#trouble = undefined
      if (pair.cert.equals(this.#pair.cert) && pair.key.equals(this.#pair.key)) return undefined
      this.#pair = pair
      this.#warn()
      this.#options.changed(pair)
      this.#options.log.info({ until: endOf(pair) }, 'another certificate is in use')
      return undefined
    } catch (error) {
      const { message } = asError(error)
      if (message !== this.#trouble) {
        this.#options.log.error({ error: message }, 'the certificate stays as it was')
      }
      this.#trouble = message
      if (error instanceof TickwireError) return error
      return new TickwireError('TLS_UNUSABLE', message, { cause: error })
    }
  }

  close(): void {
    this.#timer?.cancel()
  }

  #look(): void {
    const next = () => {
      if (stampsOf(this.#options) !== this.#stamp) this.reload()
      this.#look()
    }
    this.#timer = this.#options.clock.setTimeout(next, LOOK_MS, 'idle')
  }

  #warn(): void {
    const { clock, log, cert } = this.#options
    const until = endOf(this.#pair)
    if (Date.parse(until) - clock.now() > SOON_MS) return
    log.warn({ cert, until }, 'the certificate of the gateway ends soon, or has ended')
  }
}

const endOf = ({ cert }: TlsPair) => new Date(new X509Certificate(cert).validTo).toISOString()

/** @throws TLS_UNUSABLE */
function readPair({ cert, key }: TlsPaths): TlsPair {
  const pair = { cert: read(cert), key: read(key) }
  try {
    createSecureContext(pair)
    new X509Certificate(pair.cert)
    return pair
  } catch (cause) {
    throw new TickwireError(
      'TLS_UNUSABLE',
      `${cert} and ${key} are no certificate and its key: ${asError(cause).message}`,
      {
        hint: 'Both are PEM files, the key without a passphrase; the certificate comes first in its file.',
        cause,
      },
    )
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new TickwireError('TLS_UNUSABLE', `${path} cannot be read: ${asError(cause).message}`, {
      hint: 'Check the path in gateway.tls, and that this user may read it.',
      cause,
    })
  }
}

const stampsOf = ({ cert, key }: TlsPaths) => `${stampOf(cert)} · ${stampOf(key)}`
