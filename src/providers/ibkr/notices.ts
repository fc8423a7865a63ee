import type { TickwireError } from '../../base/errors.ts'
import type { Link } from '../../feed/provider.ts'
import type { Resyncs } from '../../feed/resyncs.ts'
import type { Asks } from './asks.ts'
import { meaningOf } from './codes.ts'
import type { Output } from './output.ts'
import type { Placement } from './placement.ts'
import type { Memory } from './settings.ts'
import type { Ask } from './subscriptions.ts'
import type { Tws } from './tws.ts'
import type { Upstream } from './upstream.ts'

/** A connection that ends this soon after a warning ends for it, ms. */
const WARNED_MS = 5_000

export interface NoticesOptions {
  readonly link: Link
  readonly tws: Tws
  readonly memory: Memory
  readonly asks: Asks
  readonly output: Output
  readonly placement: Placement
  readonly upstream: Upstream
  readonly resyncs: Resyncs
}

/** What follows from TWS's errors and notices: of a subscription, or of itself. */
export class Notices {
  readonly #options: NoticesOptions
  #warned: { readonly at: number; readonly error: TickwireError } | undefined

  constructor(options: NoticesOptions) {
    this.#options = options
  }

  /** Something that names a subscription. */
  of(ask: Ask, code: number, text: string): void {
    const { link, asks, output, placement, upstream, resyncs } = this.#options
    if (!asks.isCurrent(ask)) return
    // What came before it is of before what it says, also where both came together.
    output.flush(link.clock.now())
    const meaning = meaningOf(code, text)
    switch (meaning.type) {
      case 'refuses':
      case 'unknown':
        // Of an unknown error nobody knows whether TWS goes on sending.
        placement.refused(ask, meaning.error, meaning.type === 'unknown')
        break
      case 'full':
        placement.overflowed(ask, meaning.of, meaning.error)
        break
      case 'again':
        output.broken([ask], text)
        if (ask.waits === 'no') ask.waits = 'yes'
        resyncs.ask(ask.key, () => {
          // Something else may have had it asked for anew meanwhile.
          if (asks.isCurrent(ask) && ask.waits !== 'no') asks.renew(ask)
        })
        upstream.waiting()
        break
      case 'emptied':
        output.broken([ask], text)
        break
      case 'mute':
        upstream.mute(ask, text)
        break
      default:
        this.told(code, text)
    }
  }

  /** Something that names none. */
  told(code: number, text: string): void {
    const { link, tws, memory, asks, upstream } = this.#options
    const { log } = link
    const meaning = meaningOf(code, text)
    log.debug({ code }, text)
    switch (meaning.type) {
      case 'upstream':
        if (meaning.state === 'lost') upstream.lost(text)
        else upstream.restored(meaning.state === 'anew')
        break
      case 'farm':
        if (meaning.farm === 'market') upstream.farm(meaning)
        // Questions of the other kinds are asked again by who asked them.
        else if (!meaning.ok) log.warn({ farm: meaning.name }, text)
        break
      case 'moved':
        if (meaning.port !== undefined) memory.ports.moved(meaning.port)
        tws.close(meaning.error)
        break
      case 'too-fast':
        log.warn({ code }, text)
        this.#warned = { at: link.clock.now(), error: meaning.error }
        break
      case 'mute':
        for (const ask of asks.all) upstream.mute(ask, text)
        break
      case 'unknown':
      case 'refuses':
      case 'full':
        log.warn({ code }, text)
        link.unknown(`notice ${code}`)
        break
      default:
    }
  }

  /** Why a connection really ended: one that TWS cuts after a warning does for what the warning said. */
  reasonOf(reason: TickwireError | undefined): TickwireError | undefined {
    const warned = this.#warned
    const soon = warned && this.#options.link.clock.now() - warned.at < WARNED_MS
    return soon && reason?.code === 'CONNECTION_LOST' ? warned.error : reason
  }
}
