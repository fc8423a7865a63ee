import type { Clock, Timer } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import type { HttpGet } from '../base/http.ts'

export interface DeadManOptions {
  /** An address that expects to be asked for now and then, and tells people when it is not. */
  readonly url: string
  /** Whether there is life to tell of; asked before each ping. */
  readonly isAlive: () => boolean
  /** @default 60000 */
  readonly everyMs?: number
  readonly http: HttpGet
  readonly clock: Clock
  /** Told, once until it works again, that the address does not answer. */
  readonly said: (line: string) => void
}

const TIMEOUT_MS = 10_000

/**
 * Asks for an address as long as there is life: when that ends, by whatever, somebody else notices. It never waits, and a
 * ping that fails is not made up for: the next one is soon.
 */
export class DeadMan {
  readonly #options: DeadManOptions
  #timer: Timer
  #isTold = false
  readonly #stop = new AbortController()

  constructor(options: DeadManOptions) {
    this.#options = options
    this.#timer = this.#later(0)
  }

  close(): void {
    this.#stop.abort()
    this.#timer.cancel()
  }

  #later(ms: number): Timer {
    const { clock, everyMs = 60_000, isAlive } = this.#options
    return clock.setTimeout(() => {
      this.#timer = this.#later(everyMs)
      if (isAlive()) void this.#ping()
    }, ms)
  }

  async #ping(): Promise<void> {
    const { url, http } = this.#options
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)])
    try {
      const { status } = await http({ url, headers: {}, maxBytes: 65_536, signal })
      this.#tell(status >= 200 && status < 300 ? undefined : `HTTP ${status}`)
    } catch (thrown) {
      this.#tell(withoutSecret(asError(thrown).message, url))
    }
  }

  #tell(why: string | undefined): void {
    if (this.#stop.signal.aborted) return
    if (why !== undefined && !this.#isTold) {
      this.#options.said(`the dead-man ping does not come through: ${why}`)
    }
    this.#isTold = why !== undefined
  }
}

/** Of an address that is a secret only its host may be read by others. */
export function withoutSecret(text: string, url: string): string {
  const { host, pathname, search } = new URL(url)
  let clean = text.replaceAll(url, `the address at ${host}`)
  for (const part of [pathname + search, pathname, search]) {
    if (part.length > 1) clean = clean.replaceAll(part, '/…')
  }
  return clean
}
