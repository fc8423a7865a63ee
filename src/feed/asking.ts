import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import type { EventType, Interval } from '../market/events.ts'
import { ANY, type Topic } from '../market/topics.ts'
import { CHANNELS, type Channel } from './channels.ts'
import type { SubscribeRequest, Symbols } from './feed.ts'
import type { Provider } from './provider.ts'

/** What is asked of a source, checked and canonical: nothing that cannot succeed is sent to the venue. */
export class Asking {
  readonly #provider: Provider
  readonly #source: string

  constructor(provider: Provider, source: string) {
    this.#provider = provider
    this.#source = source
  }

  /** @throws BAD_OPTION, NO_SYMBOLS, as {@link topics} */
  topicsOf(wanted: SubscribeRequest): Topic[] {
    if (typeof wanted !== 'object' || wanted === null) {
      const hint = "As in { trades: ['SPY'], quotes: 'AAPL' }."
      throw new TickwireError('BAD_OPTION', 'a request names channels and symbols', { hint })
    }
    const { interval, ...request } = wanted
    const topics = Object.entries(request).flatMap(([channel, symbols]) => {
      if (!(channel in CHANNELS)) {
        const hint = didYouMean(channel, Object.keys(CHANNELS))
        throw new TickwireError('BAD_OPTION', `no channel ${channel}`, { hint })
      }
      return symbols === undefined ? [] : this.topics(channel as Channel, symbols, interval)
    })
    if (topics.length === 0) throw noSymbols('subscribe')
    return topics
  }

  /** @throws BAD_OPTION, BAD_SYMBOL, NO_SYMBOLS, UNSUPPORTED */
  topics(channel: Channel, symbols: Symbols, interval: Interval = '1m'): Topic[] {
    const kind: EventType = CHANNELS[channel]
    const { kinds, barIntervals, wildcard, title } = this.#provider.capabilities
    const unsupported = (what: string, hint: string) =>
      new TickwireError('UNSUPPORTED', `${title} has no ${what}`, { hint })
    if (!kinds.includes(kind)) {
      const has = `It has: ${channelsOf(kinds).join(', ')}.`
      const made = kind === 'ticker' && kinds.includes('trade')
      const hint = made ? `${has} feed.tickers() makes tickers from trades.` : has
      throw unsupported(channel, hint)
    }
    if (kind === 'bar' && !barIntervals.includes(interval)) {
      const built = kinds.includes('trade') ? " Any others are built here with from: 'trades'." : ''
      throw unsupported(`bars of ${interval}`, `It has: ${barIntervals.join(', ')}.${built}`)
    }
    const texts: readonly string[] = typeof symbols === 'string' ? [symbols] : symbols
    if (!Array.isArray(texts) || texts.some(text => typeof text !== 'string')) {
      throw new TickwireError('BAD_OPTION', `${channel}: symbols must be text or a list of texts`)
    }
    if (texts.length === 0) throw noSymbols(channel)
    const list = new Set(texts.map(text => (text === ANY ? ANY : this.#provider.symbol(text))))
    if (list.has(ANY) && !wildcard.includes(kind)) {
      throw unsupported(`wildcard for ${channel}`, 'Name the symbols.')
    }
    return [...list].map(symbol => ({
      source: this.#source,
      kind,
      symbol,
      interval: kind === 'bar' ? interval : undefined,
    }))
  }
}

function channelsOf(kinds: readonly EventType[]): string[] {
  return Object.entries(CHANNELS).flatMap(([channel, kind]) =>
    kinds.includes(kind) ? [channel] : [],
  )
}

function noSymbols(what: string): TickwireError {
  const hint = "Name at least one, such as 'SPY', or '*' for all where the provider has that."
  return new TickwireError('NO_SYMBOLS', `${what}: no symbols given`, { hint })
}
