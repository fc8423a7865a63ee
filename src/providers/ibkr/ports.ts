import { TickwireError } from '../../base/errors.ts'
import type { Tws } from './tws.ts'

/** What says that TWS is not at a port. */
const ABSENT: readonly string[] = ['UNREACHABLE', 'HANDSHAKE_TIMEOUT']

/**
 * Where TWS is looked for: at the port it was said to have, or at the one it has moved to; where it is not found at one of
 * them, at the other next, as it may be back after a restart.
 */
export class Ports {
  readonly #said: number
  #moved: number | undefined
  #now: number

  constructor(said: number) {
    this.#said = said
    this.#now = said
  }

  /** Where it is looked for next. */
  get now(): number {
    return this.#now
  }

  /** It says that it moves. */
  moved(port: number): void {
    this.#moved = port === this.#said ? undefined : port
    this.#now = port
  }

  /** Looks for it. @throws as `open` */
  async open(open: (port: number) => Promise<Tws>): Promise<Tws> {
    const port = this.#now
    try {
      const tws = await open(port)
      if (port === this.#said) this.#moved = undefined
      return tws
    } catch (thrown) {
      const isAbsent = thrown instanceof TickwireError && ABSENT.includes(thrown.code)
      // Somebody else may have looked there at the same time.
      if (isAbsent && port === this.#now && this.#moved !== undefined) {
        this.#now = port === this.#moved ? this.#said : this.#moved
      }
      throw thrown
    }
  }
}
