import type { TickwireError } from '../../base/errors.ts'
import type { Connection, Link } from '../../feed/provider.ts'
import { Resyncs } from '../../feed/resyncs.ts'
import type { Topic } from '../../market/topics.ts'
import { Asks } from './asks.ts'
import type { Contracts } from './contracts.ts'
import { Delays } from './delays.ts'
import { Notices } from './notices.ts'
import { Output } from './output.ts'
import { Placement } from './placement.ts'
import { DATA_TYPES, type Memory, repairedKinds, type Settings } from './settings.ts'
import type { Ask } from './subscriptions.ts'
import { Tws, type TwsHooks } from './tws.ts'
import { Upstream } from './upstream.ts'

/**
 * One connection for a feed. `placement.ts` says which of TWS's ways each topic comes by, `asks.ts` asks for it, `output.ts`
 * makes events of what comes, `notices.ts` what follows from TWS's codes, `upstream.ts` from its own way to IBKR.
 */
export class IbkrConnection implements Connection {
  readonly ended: Promise<TickwireError | undefined>
  /** The session with TWS, also for questions about the past. */
  readonly tws: Tws
  readonly #link: Link
  readonly #asks: Asks
  readonly #output: Output
  readonly #placement: Placement
  readonly #notices: Notices
  readonly #upstream: Upstream
  readonly #resyncs: Resyncs
  readonly #delays: Delays

  /** @throws as {@link Tws.open} */
  static async open(
    link: Link,
    settings: Settings,
    contracts: Contracts,
    memory: Memory,
  ): Promise<IbkrConnection> {
    let connection: IbkrConnection | undefined
    /** Said before the connection was there to hear it. */
    const early: [code: number, text: string][] = []
    const hooks: TwsHooks = {
      ...{ clock: link.clock, signal: link.signal, raw: () => link.raw },
      openTcp: settings.openTcp,
      greeted: () => link.authenticating(),
      told: (code, text) => {
        if (connection) connection.#notices.told(code, text)
        else early.push([code, text])
      },
      malformed: (message, reason) => link.malformed(message, reason),
      unknown: kind => link.unknown(kind),
      hung: () => {
        if (connection) connection.#upstream.hung()
      },
      flush: receivedAt => {
        if (connection) connection.#output.flush(receivedAt)
      },
    }
    const tws = await memory.ports.open(port => Tws.open({ ...settings.address, port }, hooks))
    connection = new IbkrConnection(tws, link, settings, contracts, memory)
    connection.#begin(settings)
    for (const [code, text] of early) connection.#notices.told(code, text)
    return connection
  }

  private constructor(
    tws: Tws,
    link: Link,
    settings: Settings,
    contracts: Contracts,
    memory: Memory,
  ) {
    this.tws = tws
    this.#link = link
    const { clock } = link
    const delays = new Delays(clock)
    const asks = new Asks({
      ...{ requests: tws.requests, clock, delays, settings, memory },
      answers: ask => this.#output.answers(ask),
      activated: ask => this.#placement.served(ask),
      servedAnew: ask => this.#servedAnew(ask),
      waiting: () => this.#upstream.waiting(),
      gone: ask => this.#upstream.gone(ask),
    })
    const upstream = new Upstream({
      clock,
      asks: () => asks.all,
      broken: (list, reason) => this.#output.broken(list, reason),
      renew: ask => asks.renew(ask),
      resync: (ask, reason) => this.#resync(ask, reason),
      forget: ask => tws.requests.forget(ask.id),
      declare: reason => link.outage(reason),
    })
    const output = new Output({
      ...{ link, tws, asks, upstream, repaired: repairedKinds(settings.dataType) },
      error: (ask, code, text) => this.#notices.of(ask, code, text),
      resync: (ask, reason) => this.#resync(ask, reason),
    })
    const resyncs = new Resyncs(clock)
    const placement = new Placement({
      ...{ link, tws, contracts, memory, settings, asks, output, delays },
    })
    this.#notices = new Notices({
      ...{ link, tws, memory, asks, output, placement, upstream, resyncs },
    })
    this.#asks = asks
    this.#output = output
    this.#placement = placement
    this.#upstream = upstream
    this.#resyncs = resyncs
    this.#delays = delays
    this.ended = tws.ended.then(reason => {
      this.#stop()
      return this.#notices.reasonOf(reason)
    })
  }

  subscribe(topics: readonly Topic[]): void {
    this.#placement.add(topics)
  }

  unsubscribe(topics: readonly Topic[]): void {
    this.#placement.remove(topics)
  }

  resync(topic: Topic, reason: string): void {
    const ask = this.#asks.get('book', topic.symbol)
    if (ask) this.#resync(ask, reason)
  }

  /** How much of what the account may have at the same time is in use here, for people. */
  get use(): string {
    return this.#asks.room.use
  }

  async close(): Promise<void> {
    this.tws.close()
    await this.ended
  }

  #begin({ dataType }: Settings): void {
    if (dataType !== 'live') {
      this.tws.requests.tell(ib => ib.reqMarketDataType(DATA_TYPES[dataType]))
    }
    this.#link.opened()
    this.subscribe(this.#link.topics)
  }

  #resync(ask: Ask, reason: string): void {
    this.#link.log.debug({ book: ask.resolved.symbol, reason }, 'asking for a book anew')
    this.#resyncs.ask(ask.key, () => {
      if (this.#asks.isCurrent(ask) && this.tws.isOpen) this.#asks.renew(ask)
    })
  }

  /**
   * Until now it may have missed something. A book begins anew, a line with all it has to say, and of what is mute that is
   * said when it speaks again.
   */
  #servedAnew(ask: Ask): void {
    if (ask.kind === 'book' || ask.kind === 'line' || this.#upstream.isMute(ask)) return
    this.#output.broken([ask], 'TWS was asked for it anew')
  }

  #stop(): void {
    this.#delays.close()
    this.#upstream.close()
    this.#resyncs.close()
    this.#asks.close()
    this.#placement.close()
  }
}
