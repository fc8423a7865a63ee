// The suite of providers finds out a provider that does any one thing wrong.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import type { Connection, Link, Provider } from '../../src/feed/provider.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import { handClock } from '../../src/testing/clock.ts'
import {
  excludedChecks,
  type ProviderTraits,
  providerChecks,
} from '../../src/testing/provider-suite.ts'
import { ALPACA_CRYPTO, ALPACA_STOCKS } from '../providers/conformance/alpaca.ts'
import { BINANCE } from '../providers/conformance/binance.ts'
import { COINBASE } from '../providers/conformance/coinbase.ts'
import { JSON_VENDOR } from '../providers/conformance/json.ts'
import { KRAKEN } from '../providers/conformance/kraken.ts'
import { IBKR } from '../providers/ibkr/traits.ts'

interface Mutation {
  readonly name: string
  /** @default Kraken */
  readonly traits?: ProviderTraits
  /** Title of a check that must fail. */
  readonly found: RegExp
  spoil(provider: Provider): Provider
}

/** A provider that tells the engine something else than it should. */
const telling =
  (change: (link: Link) => Partial<Link>) =>
  (provider: Provider): Provider => ({
    ...provider,
    connect: link => provider.connect({ ...link, ...change(link) }),
  })

/** One whose connections do something else. */
const living =
  (change: (connection: Connection) => Partial<Connection>) =>
  (provider: Provider): Provider => ({
    ...provider,
    connect: async link => {
      const made = await provider.connect(link)
      const plain: Connection = {
        subscribe: topics => made.subscribe(topics),
        unsubscribe: topics => made.unsubscribe(topics),
        ...(made.resync && { resync: (topic: Topic, why: string) => made.resync!(topic, why) }),
        ended: made.ended,
        close: () => made.close(),
      }
      return { ...plain, ...change(made) }
    },
  })

/** One whose events are changed on their way; each with its number, from 1. */
const giving = (change: (event: MarketEvent, number: number) => MarketEvent | undefined) => {
  return (provider: Provider) => {
    let number = 0
    return telling(link => ({
      emit: (batch, receivedAt) => {
        const kept = batch.flatMap(event => change(event, ++number) ?? [])
        if (kept.length > 0) link.emit(kept, receivedAt)
      },
    }))(provider)
  }
}

/** One that says of a failed attempt what it likes. */
const failing =
  (change: (error: TickwireError) => TickwireError) =>
  (provider: Provider): Provider => ({
    ...provider,
    connect: link =>
      provider.connect(link).catch(error => {
        throw change(error)
      }),
  })

const MUTATIONS: readonly Mutation[] = [
  {
    ...{ name: 'keeps acknowledgements to itself', found: /^it connects once/ },
    spoil: telling(() => ({ acknowledged: () => {} })),
  },
  {
    ...{ name: 'keeps refusals to itself', found: /^a symbol the venue refuses/ },
    spoil: telling(() => ({ rejected: () => {} })),
  },
  {
    ...{ name: 'takes a refused key for a bad moment', traits: ALPACA_STOCKS },
    found: /^a refused key/,
    spoil: failing(({ message }) => new TickwireError('CONNECTION_LOST', message)),
  },
  {
    ...{ name: 'does not wait when told to', found: /^told to wait/ },
    spoil: failing(({ message }) => new TickwireError('CONNECTION_LOST', message)),
  },
  {
    ...{ name: 'asks for nothing after a cut', found: /^after a cut/ },
    spoil: provider => {
      let connects = 0
      return {
        ...provider,
        connect: async link => {
          if (connects++ === 0) return provider.connect(link)
          const made = await provider.connect({ ...link, topics: [] })
          return { ...made, subscribe: () => {} }
        },
      }
    },
  },
  {
    ...{ name: 'lets nothing go', found: /^what is let go/ },
    spoil: living(() => ({ unsubscribe: () => {} })),
  },
  {
    ...{ name: 'takes a mute connection for a live one', found: /answers nothing.*stall/ },
    spoil: living(({ ended }) => ({
      ended: ended.then(error => (error?.code === 'MUTE' ? new Promise(() => {}) : error)),
    })),
  },
  {
    ...{ name: 'leaves without a word', found: /^it ends cleanly/ },
    spoil: provider => {
      const never = new AbortController().signal
      return living(() => ({ close: async () => {}, ended: Promise.resolve(undefined) }))(
        telling(() => ({ signal: never }))(provider),
      )
    },
  },
  {
    ...{ name: 'leaves symbols as they were written', found: /^symbols have one form/ },
    spoil: provider => ({ ...provider, symbol: text => text }),
  },
  {
    ...{ name: 'promises a kind it has no frames of', found: /^every kind it carries/ },
    spoil: provider => {
      const { capabilities } = provider
      const kinds = [...capabilities.kinds, 'imbalance' as const]
      return { ...provider, capabilities: { ...capabilities, kinds } }
    },
  },
  {
    ...{ name: 'promises history it does not have', found: /^what it says of itself/ },
    spoil: ({ history: _, ...provider }) => provider,
  },
  {
    ...{ name: 'loses an event now and then', found: /^what happens comes/ },
    spoil: giving((event, number) => (number % 10 === 0 ? undefined : event)),
  },
  {
    ...{ name: 'is off by a tick', found: /^as documented: a trade/ },
    spoil: giving(event =>
      event.type === 'trade' ? createEvent({ ...event, price: event.price + 0.1 }) : event,
    ),
  },
  {
    ...{ name: 'is off by an hour', found: /^what happens comes/ },
    spoil: giving(event => createEvent({ ...event, timestamp: event.timestamp - 3_600_000 })),
  },
  {
    ...{ name: 'makes an event of what is none', found: /says what cannot be/ },
    spoil: telling(link => ({
      malformed: (frame, reason) => {
        const timestamp = Math.floor(link.clock.now())
        const { source } = link
        const fields = { symbol: 'BTC/USD', source, timestamp, price: 1, size: 1 }
        link.malformed(frame, reason)
        link.emit([createEvent({ type: 'trade', ...fields })], timestamp)
      },
    })),
  },
  {
    ...{ name: 'says nothing of what it cannot read', found: /says what cannot be/ },
    spoil: telling(() => ({ malformed: () => {} })),
  },
  ...[KRAKEN, BINANCE, COINBASE, ALPACA_CRYPTO, ALPACA_STOCKS].flatMap((traits): Mutation[] => {
    const { id } = traits.make({ clock: handClock(), observe: () => {} }).provider
    const name = (what: string) => `${what} (${id}, ${traits.symbols[0]})`
    return [
      {
        ...{ name: name('says when it heard of it for when it was'), traits },
        found: /^as documented: a trade/,
        spoil: giving(event => {
          const timestamp = Math.floor(event.receivedAt)
          return event.type === 'trade' ? createEvent({ ...event, timestamp, nanos: 0 }) : event
        }),
      },
      {
        ...{
          name: name('says when it heard of it for when it was, of what just happened'),
          traits,
        },
        found: /^what happens comes/,
        spoil: giving(event =>
          createEvent({ ...event, timestamp: Math.floor(event.receivedAt), nanos: 0 }),
        ),
      },
      {
        ...{ name: name('never ends a bar'), traits },
        found: /^as documented: a (bar|candle that is over)/,
        spoil: giving(event =>
          event.type === 'bar' ? createEvent({ ...event, final: false }) : event,
        ),
      },
      {
        ...{ name: name('lets go of all of a symbol with one kind'), traits },
        found: /^of two kinds held together.*\(quote\)/,
        spoil: living(made => ({
          unsubscribe: topics => {
            const others = (['trade', 'quote'] as const).filter(kind => topics[0]?.kind !== kind)
            made.unsubscribe([...topics, ...others.map(kind => ({ ...topics[0]!, kind }))])
          },
        })),
      },
      {
        ...{ name: name('lets go of nothing while there is something else'), traits },
        found: /^of two kinds held together.*\(quote\)/,
        spoil: living(made => ({
          unsubscribe: topics => made.unsubscribe(topics.filter(({ kind }) => kind !== 'quote')),
        })),
      },
      {
        ...{ name: name('takes quotes that stand still for lost ones'), traits },
        found: /^quotes that stand still/,
        spoil: provider => ({
          ...provider,
          // Something else, and of now, each time it is asked.
          latest: async request => {
            const [event] = await provider.latest!(request)
            if (event?.type !== 'quote') return event ? [event] : []
            const timestamp = Math.floor(event.receivedAt)
            return [createEvent({ ...event, timestamp, ask: event.ask! + 1 })]
          },
        }),
      },
    ]
  }),
  {
    ...{ name: 'drops what is below a microsecond', traits: ALPACA_CRYPTO },
    found: /^as documented: a quote/,
    spoil: giving(event => createEvent({ ...event, nanos: event.nanos - (event.nanos % 1_000) })),
  },
  {
    ...{ name: 'gives more than was asked for', found: /^what nobody asked for/ },
    spoil: telling(link => ({ interest: { revision: 1, mask: () => -1 }, source: link.source })),
  },
  {
    ...{ name: 'makes a quote of what is none', found: /^a frame of quote that says/ },
    spoil: telling(link => ({
      malformed: (frame, reason) => {
        const timestamp = Math.floor(link.clock.now())
        const fields = { symbol: 'BTC/USD', source: link.source, timestamp, bid: 1, ask: 2 }
        link.malformed(frame, reason)
        link.emit([createEvent({ type: 'quote', ...fields })], timestamp)
      },
    })),
  },
  {
    ...{ name: 'has more that excludes it than its line says', found: /^what cannot be tried/ },
    spoil: provider => ({ ...provider, capabilities: { ...provider.capabilities, auth: 'key' } }),
  },
  {
    ...{ name: 'finds nothing in history', found: /missed while it was away.*restart/ },
    spoil: provider => ({ ...provider, history: async function* () {} }),
  },
  {
    ...{ name: 'finds nothing in history, without numbers of trades', traits: IBKR },
    found: /missed while it was away.*restart/,
    spoil: provider => ({ ...provider, history: async function* () {} }),
  },
  {
    ...{ name: 'fills in what came already, without numbers of trades', traits: IBKR },
    found: /missed while it was away.*restart/,
    spoil: provider => ({
      ...provider,
      // Another exchange, so that nothing is the same.
      history: async function* (request) {
        for await (const batch of provider.history!(request)) {
          yield batch.map(event => createEvent({ ...event, exchange: 'X' } as MarketEvent))
        }
      },
    }),
  },
  {
    ...{ name: 'has no fresh book after a break', found: /never wrong.*\(lost\)/ },
    spoil: provider => {
      let snapshots = 0
      const isLater = (event: MarketEvent) =>
        event.type === 'book' && event.snapshot && snapshots++ > 0
      return giving(event => (isLater(event) ? undefined : event))(provider)
    },
  },
  {
    ...{ name: 'hides that a book broke', found: /never wrong.*\(lost\)/ },
    spoil: telling(() => ({ broken: () => {} })),
  },
  {
    ...{ name: 'takes a whole book for a change', found: /never wrong.*\(cut\)/ },
    spoil: giving((event, number) =>
      event.type === 'book' && number > 1 ? createEvent({ ...event, snapshot: false }) : event,
    ),
  },
  {
    ...{ name: 'forgets that levels go', found: /^a book is whole/ },
    spoil: giving(event => {
      if (event.type !== 'book') return event
      const stays = ([, size]: readonly [number, number]) => size > 0
      return createEvent({
        ...{ ...event, bids: event.bids.filter(stays) },
        asks: event.asks.filter(stays),
      })
    }),
  },
]

describe('a provider is found out that', () => {
  for (const { name, traits = KRAKEN, found, spoil } of MUTATIONS) {
    test(name, async () => {
      const spoilt: ProviderTraits = {
        ...traits,
        make: options => {
          const fixture = traits.make(options)
          return { ...fixture, provider: spoil(fixture.provider) }
        },
      }
      const check = providerChecks(spoilt).find(({ title }) => found.test(title))
      assert.ok(check, `a check like ${found}`)
      await assert.rejects(check.run(), check.title)
      const same = providerChecks(traits).find(({ title }) => title === check.title)
      await same!.run()
    })
  }
})

describe('what is not tried on a provider', () => {
  const titles = (checks: readonly { readonly title: string }[]) =>
    checks.map(({ title }) => title).filter(title => !OF_A_KIND.test(title))

  test('is left out by name, and never in silence: made or not, the checks are the same', () => {
    const all = (traits: ProviderTraits) =>
      [...titles(providerChecks(traits)), ...titles(excludedChecks(traits))].sort()
    for (const traits of [ALPACA_STOCKS, IBKR, JSON_VENDOR]) {
      const made = titles(providerChecks(traits))
      assert.equal(new Set(made).size, made.length)
      assert.deepEqual(
        all(traits).filter(title => title !== 'books' && !BOOKS.test(title)),
        all(KRAKEN).filter(title => !BOOKS.test(title)),
      )
    }
  })

  test('says which capability excludes it', () => {
    const why = new Map(excludedChecks(IBKR).map(({ title, excluded }) => [title, excluded]))
    assert.match(why.get('told to wait, it waits') ?? '', /upgrade-429.*plain TCP/)
    assert.match(why.get('a key that nobody answers is tried again') ?? '', /capabilities\.auth/)
    assert.match(why.get('what is sent twice comes once') ?? '', /TCP/)
    assert.equal(why.get('a slot that is taken is waited for, not stormed'), undefined)
    assert.ok(!providerChecks(IBKR).some(({ title }) => why.has(title)))
  })
})

/** Those made once for each kind there is. */
const OF_A_KIND =
  /^as documented: |^a frame of \w+ that says|s that stand still|^of two kinds held|^a bar that is over/
/** One provider has none, and is not told of each. */
const BOOKS = /^a book /
