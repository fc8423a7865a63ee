import { type Clock, sleep } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { NotStored } from './intake.ts'
import type { Place } from './place.ts'
import { storeTrouble } from './trouble.ts'

export interface RecoveryOptions {
  readonly folder: string
  readonly clock: Clock
  readonly log: Log
  /** After the disk has taken nothing it is tried again so much later, ms. */
  readonly retryMs: number
  readonly place: Place
  /** Closes the store and opens it anew. */
  readonly reopen: () => Promise<void>
}

/**
 * Does work that stores, again and again from behind what is stored, until it is done or the signal comes. What keeps from
 * storing is said once.
 */
export async function goOn(
  { folder, clock, log, retryMs, place, reopen }: RecoveryOptions,
  work: () => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  let told: string | undefined
  while (!stop.aborted) {
    try {
      await work()
      return
    } catch (thrown) {
      if (!(thrown instanceof NotStored)) throw thrown
      if (stop.aborted) return
      const { message } = storeTrouble(thrown.cause, folder, 'the store takes nothing')
      if (told !== message) {
        told = message
        const fields = { folder, position: place.position, retryMs }
        log.error(fields, `${message}; the tape goes on, and what is missing comes from there`)
      }
    }
    for (let isOpen = false; !isOpen; ) {
      await sleep(clock, retryMs, stop)
      if (stop.aborted) return
      try {
        await reopen()
        isOpen = true
      } catch (error) {
        log.debug({ folder, error: asError(error).message }, 'the store cannot be opened yet')
      }
    }
    log.info({ folder, position: place.position }, 'the store is open again')
  }
}
