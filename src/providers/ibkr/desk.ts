import type { Clock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import type { Memory, Settings } from './settings.ts'
import { Tws } from './tws.ts'

/** A connection to ask on, and what gives it back. */
export interface Desk {
  readonly tws: Tws
  release(): void
}

/** Gives a connection to whoever asks something beside the stream. @throws as {@link Tws.open} */
export type OpenDesk = (signal: AbortSignal | undefined) => Promise<Desk>

export interface DeskOptions {
  readonly settings: Settings
  readonly memory: Memory
  readonly clock: Clock
  /** The feed's connection, where there is one. */
  live(): Tws | undefined
}

/**
 * The feed's connection, or while there is none, one of its own for all who ask at the same time: with the client id behind
 * the feed's, which the feed may want at any moment.
 */
export function deskOf({ settings, memory, clock, live }: DeskOptions): OpenDesk {
  const { address, openTcp } = settings
  let spare: Spare | undefined
  return async signal => {
    const feeds = live()
    if (feeds?.isOpen) return { tws: feeds, release: () => {} }
    const { clientId, host } = address
    const open = (): Spare => {
      const life = new AbortController()
      const hooks = { clock, openTcp, signal: life.signal }
      const own = (port: number) => Tws.open({ host, port, clientId: clientId + 1 }, hooks)
      return { life, tws: memory.ports.open(own), users: 0 }
    }
    const shared = spare ?? open()
    spare = shared
    shared.users++
    const leave = () => {
      if (spare === shared) spare = undefined
    }
    const release = () => {
      if (--shared.users > 0) return
      leave()
      shared.life.abort()
    }
    try {
      const tws = await unlessGivenUp(shared.tws, signal)
      if (!tws.isOpen) {
        leave()
        throw new TickwireError('CONNECTION_LOST', 'the connection to TWS was lost')
      }
      return { tws, release }
    } catch (error) {
      release()
      throw error
    }
  }
}

/** A connection that is there for questions alone, and how many ask on it. */
interface Spare {
  readonly tws: Promise<Tws>
  /** Ends it, also while it is being opened. */
  readonly life: AbortController
  users: number
}

/** What a promise comes to. @throws CLOSED as soon as the signal aborts, or what the promise rejects with */
async function unlessGivenUp<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  let abort = () => {}
  const givenUp = new Promise<never>((_, reject) => {
    abort = () => reject(new TickwireError('CLOSED', 'given up'))
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([promise, givenUp])
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
