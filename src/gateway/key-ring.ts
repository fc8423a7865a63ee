import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { findKey, isInForce, type KeyRecord, readKeys } from './keys.ts'
import { stampOf } from './stamp.ts'

/** How often the file is looked at, ms: a revoked key ends what it opened within this. */
const LOOK_MS = 1_000

/** A key that was shown, in force: many connections may have come with it. */
export interface HeldKey {
  readonly record: KeyRecord
  /** Aborts when the key ends; the reason is a KEY_REFUSED. */
  readonly ended: AbortSignal
}

/**
 * The keys of a file, as they are now: it is looked at once a second, so that `tickwire keys` works on a running gateway. A
 * file that becomes unreadable changes nothing, and is told of once.
 */
export class KeyRing {
  readonly #path: string
  readonly #clock: Clock
  readonly #log: Log
  #keys: readonly KeyRecord[]
  #stamp: string
  /** Of those that were shown, what ends them, by id. */
  readonly #shown = new Map<string, AbortController>()
  #timer: Timer | undefined
  #trouble: string | undefined

  /** @throws KEYS_UNSAFE */
  constructor({ path, clock, log }: { path: string; clock: Clock; log: Log }) {
    this.#path = path
    this.#clock = clock
    this.#log = log
    this.#stamp = stampOf(path)
    this.#keys = readKeys(path)
    this.#look()
  }

  /** How many keys are in force. */
  get size(): number {
    const now = this.#clock.now()
    return this.#keys.filter(one => isInForce(one, now)).length
  }

  /** @throws KEY_REFUSED, saying whether it was revoked, has run out or never was one of these */
  show(key: string): HeldKey {
    // One that is not known may just have been made.
    const record = findKey(this.#keys, key) ?? (this.#hasChanged() ? this.#anew(key) : undefined)
    if (!record) {
      throw new TickwireError('KEY_REFUSED', 'this key is not one of the gateway', {
        hint: 'Look for letters that were lost in copying; `tickwire keys list` names those there are.',
      })
    }
    const over = whyOver(record, this.#clock.now())
    if (over) throw over
    let end = this.#shown.get(record.id)
    if (!end) this.#shown.set(record.id, (end = new AbortController()))
    return { record, ended: end.signal }
  }

  /** Looks at the file now; returns why it cannot be used. */
  reload(): TickwireError | undefined {
    let trouble: TickwireError | undefined
    try {
      this.#stamp = stampOf(this.#path)
      this.#keys = readKeys(this.#path)
      this.#trouble = undefined
    } catch (error) {
      const { message } = asError(error)
      trouble =
        error instanceof TickwireError
          ? error
          : new TickwireError('KEYS_UNSAFE', message, { cause: error })
      if (message !== this.#trouble) {
        this.#log.error({ error: message }, 'the keys stay as they were: their file cannot be used')
      }
      this.#trouble = message
    }
    this.#endThoseOver()
    return trouble
  }

  close(): void {
    this.#timer?.cancel()
  }

  #hasChanged(): boolean {
    return stampOf(this.#path) !== this.#stamp
  }

  #anew(key: string): KeyRecord | undefined {
    this.reload()
    return findKey(this.#keys, key)
  }

  #look(): void {
    this.#timer = this.#clock.setTimeout(
      () => {
        if (this.#hasChanged()) this.reload()
        else this.#endThoseOver()
        this.#look()
      },
      LOOK_MS,
      'idle',
    )
  }

  /** What changed in a key (its scopes, its quotas) counts from the next connection on; what ended it counts now. */
  #endThoseOver(): void {
    const now = this.#clock.now()
    for (const [id, end] of this.#shown) {
      const record = this.#keys.find(one => one.id === id)
      const over = record
        ? whyOver(record, now)
        : refused('this key', 'is not in the file any more')
      if (!over) continue
      this.#shown.delete(id)
      end.abort(over)
    }
  }
}

function whyOver(record: KeyRecord, now: number): TickwireError | undefined {
  if (isInForce(record, now)) return undefined
  const { name, revokedAt, expiresAt } = record
  return refused(
    `the key ${name}`,
    revokedAt ? `was revoked at ${revokedAt}` : `ended at ${expiresAt}`,
  )
}

const refused = (key: string, why: string) =>
  new TickwireError('KEY_REFUSED', `${key} ${why}`, {
    hint: 'Ask whoever runs the gateway for another one: tickwire keys create.',
  })
