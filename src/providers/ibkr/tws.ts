import type { Timer } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { meaningOf } from './codes.ts'
import { hungUp, notReached, silent, strange } from './failures.ts'
import { Inbox, type InboxHooks } from './inbox.ts'
import {
  connectLibrary,
  dropFragment,
  guardLibrary,
  type IBApi,
  loadLibrary,
  type OpenTcp,
} from './library.ts'
import { PROBE, Probe } from './probe.ts'
import { passReplies, registrar } from './replies.ts'
import { Requests } from './requests.ts'

/** Where TWS or IB Gateway listens, and as whom we come. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly clientId: number
}

export interface TwsHooks extends InboxHooks {
  readonly signal?: AbortSignal | undefined
  readonly openTcp?: OpenTcp | undefined
  /** TCP stands, TWS has greeted. */
  greeted?(): void
  /** An error or notice that names no request. */
  told?(code: number, text: string): void
  unknown?(kind: string): void
  /** It hung for a while, and lost what it was asked meanwhile. */
  hung?(): void
}

/** Longest wait for TWS to greet, and for it to be ready, each, ms: the library itself would wait for ever. */
const HANDSHAKE_MS = 10_000

/**
 * One connection to TWS by `@stoqey/ib`, from open to the reason it ended: an `IBApi` of its own (one that is used again
 * sends what was left over, ahead of the greeting), and what its decoder lets pass held to form before.
 */
export class Tws {
  readonly ended: Promise<TickwireError | undefined>
  /** What is asked on it. */
  readonly requests: Requests
  /** The message at hand. */
  readonly inbox: Inbox
  /** Comma-separated accounts of the login, as TWS says them. */
  accounts = ''
  readonly #hooks: TwsHooks
  readonly #address: Address
  readonly #ib: IBApi
  readonly #probe: Probe
  #phase: 'connecting' | 'greeted' | 'ready' | 'over' = 'connecting'
  #deadline: Timer | undefined
  #opened!: { resolve(tws: Tws): void; reject(error: TickwireError): void }
  #end!: (reason: TickwireError | undefined) => void

  /**
   * Opens, and waits until TWS takes requests.
   * @throws UNREACHABLE, HANDSHAKE_TIMEOUT, CONNECTION_LIMIT (the client id is taken), UNSUPPORTED, CLOSED
   */
  static async open(address: Address, hooks: TwsHooks): Promise<Tws> {
    const { IBApi } = await loadLibrary()
    if (hooks.signal?.aborted) throw new TickwireError('CLOSED', 'closed while connecting')
    // Its own pace is out of the way: messages that wait in it are lost with the connection.
    const ib = new IBApi({ ...address, maxReqPerSec: 10_000 })
    return new Promise((resolve, reject) => {
      new Tws(ib, address, hooks, { resolve, reject }).#connect()
    })
  }

  private constructor(
    ib: IBApi,
    address: Address,
    hooks: TwsHooks,
    opened: { resolve(tws: Tws): void; reject(error: TickwireError): void },
  ) {
    this.#ib = ib
    this.#address = address
    this.#hooks = hooks
    this.requests = new Requests(ib, hooks.clock)
    this.inbox = new Inbox({
      ...hooks,
      flush: receivedAt => {
        if (this.#phase !== 'over') hooks.flush?.(receivedAt)
      },
    })
    this.#probe = new Probe(hooks.clock, {
      ask: () => this.requests.probe(),
      hangs: () => {
        const message = `TWS hangs: no answer to a question within ${PROBE.timeoutMs} ms`
        this.close(new TickwireError('MUTE', message, { hint: 'Restart TWS or IB Gateway.' }))
      },
      hung: () => hooks.hung?.(),
    })
    this.#opened = opened
    this.ended = new Promise(resolve => {
      this.#end = resolve
    })
  }

  get isOpen(): boolean {
    return this.#phase === 'ready'
  }

  /** Ends it; the reason is what `ended` resolves with. */
  close(reason?: TickwireError): void {
    if (this.#phase === 'over') return
    const opening = this.#phase !== 'ready'
    this.#phase = 'over'
    this.#deadline?.cancel()
    this.#probe.close()
    this.#hooks.signal?.removeEventListener('abort', this.#abort)
    this.#ib.removeAllListeners()
    this.#ib.disconnect()
    if (opening) {
      this.#opened.reject(reason ?? new TickwireError('CLOSED', 'closed while connecting'))
    }
    this.requests.close(reason)
    this.#end(reason)
  }

  readonly #abort = () => this.close()

  get #where(): string {
    return `${this.#address.host}:${this.#address.port}`
  }

  #connect(): void {
    this.#listen()
    this.#expect('greeting')
    this.#hooks.signal?.addEventListener('abort', this.#abort)
    try {
      connectLibrary(this.#ib, this.#address.clientId, this.#hooks.openTcp)
    } catch (thrown) {
      this.close(thrown as TickwireError)
      return
    }
    guardLibrary(this.#ib, {
      heard: () => {
        this.#probe.heard()
        return this.#phase !== 'over'
      },
      stranger: what => this.close(strange(this.#where, what, this.#phase === 'ready')),
      // Its reader is in the middle of something: whatever came next would be read wrongly.
      thrown: ({ message }) => {
        this.inbox.report(message)
        this.close(new TickwireError('VENUE_ERROR', 'TWS sent what cannot be read'))
      },
    })
  }

  #listen(): void {
    const on = registrar(this.#ib)
    on('received', (fields: string[], raw: string) => this.#onMessage(fields, raw))
    on('connected', () => this.#onGreeted())
    on('disconnected', () => this.#onDisconnected())
    on('nextValidId', () => this.#onReady())
    on('currentTime', () => this.#probe.answered())
    on('managedAccounts', (accounts: string) => {
      this.accounts = accounts.replace(/,\s*$/, '')
    })
    on('error', (error: Error, code: number, id: number) => this.#onError(error.message, code, id))
    on('info', (text: string, code: number) => this.#onError(text, code, -1))
    passReplies(
      on,
      id => (this.inbox.spoiled ? undefined : this.requests.answersTo(id)),
      () => (this.inbox.spoiled ? [] : this.requests.all()),
    )
  }

  #onMessage(fields: readonly string[], raw: string): void {
    this.#probe.heard()
    if (!raw.endsWith('\0')) dropFragment(this.#ib)
    // The first names the version.
    this.inbox.take(fields, raw, this.#phase !== 'connecting')
  }

  #onGreeted(): void {
    if (this.#phase !== 'connecting') return
    this.#phase = 'greeted'
    this.#hooks.greeted?.()
    this.#expect('ready')
  }

  #onReady(): void {
    if (this.#phase !== 'greeted') return
    this.#phase = 'ready'
    this.#deadline?.cancel()
    this.#probe.start()
    this.#opened.resolve(this)
  }

  #onDisconnected(): void {
    const lost = () => new TickwireError('CONNECTION_LOST', 'TWS closed the connection')
    this.close(this.#phase === 'connecting' ? hungUp(this.#where) : lost())
  }

  #onError(text: string, code: number, id: number): void {
    if (this.#phase === 'over') return
    // These two are the library's own.
    if (code === 505) {
      const [, kind] = /^No parser implementation.*\((.*?)\)\.?$/.exec(text) ?? []
      if (kind === undefined) this.inbox.spoil(text.slice(0, 200))
      else {
        this.#hooks.unknown?.(`message ${kind}`)
        // What is left of it is reported as a fault next.
        this.inbox.skip()
      }
      return
    }
    if (code === 502 && id === -1) {
      const lost = () =>
        new TickwireError('CONNECTION_LOST', `the connection to TWS was lost: ${text}`)
      this.close(this.#phase === 'connecting' ? notReached(this.#where, text) : lost())
      return
    }
    const answers = id === -1 ? undefined : this.requests.answersTo(id)
    if (answers) {
      answers.error(code, text)
      return
    }
    // Before it is ready, whoever waits for it has to be told why it will not be.
    const meaning = meaningOf(code, text)
    if (meaning.type === 'ends') this.close(meaning.error)
    // What names a request that has been let go concerns nobody.
    else if (id === -1) this.#hooks.told?.(code, text)
  }

  #expect(step: 'greeting' | 'ready'): void {
    this.#deadline?.cancel()
    this.#deadline = this.#hooks.clock.setTimeout(() => {
      this.close(silent(this.#where, step, HANDSHAKE_MS))
    }, HANDSHAKE_MS)
  }
}
