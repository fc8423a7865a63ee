// A gateway as a source of another engine: over real sockets, with a clock turned by hand.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TickwireError } from '../../../src/base/errors.ts'
import { silentLog } from '../../../src/base/log.ts'
import { type Feed, openFeed } from '../../../src/feed/feed.ts'
import { hasFlag, type MarketEvent, type Notice } from '../../../src/market/events.ts'
import { encodeEvent } from '../../../src/market/json.ts'
import { type TickwireOptions, tickwire } from '../../../src/providers/tickwire/index.ts'
import { memoryTape } from '../../../src/tape/memory.ts'
import {
  event,
  openStreamGateway,
  type StreamGateway,
  type StreamOptions,
  trades,
} from '../../gateway/stream-kit.ts'

interface Scene extends StreamGateway {
  readonly feedHere: Feed
  readonly events: MarketEvent[]
  readonly notices: Notice[]
  /** Subscribes, and turns the clock until it is answered. */
  ask(request: Parameters<Feed['subscribe']>[0]): ReturnType<Feed['subscribe']>
}

function check(
  name: string,
  body: (scene: Scene) => Promise<void>,
  options: StreamOptions & { provider?: TickwireOptions } = {},
): void {
  test(name, async () => {
    const at = await openStreamGateway(options)
    const provider = tickwire({ url: at.gateway.url, ...options.provider })
    const { clock } = at
    const feed = openFeed(provider, { clock, log: silentLog, leases: false, random: () => 0.5 })
    feed.done.catch(() => {})
    const events: MarketEvent[] = []
    const notices: Notice[] = []
    feed.on('*', it => {
      if (it.type === 'notice') notices.push(it)
      else events.push(it)
    })
    try {
      await body({
        ...{ ...at, feedHere: feed, events, notices },
        async ask(request) {
          let answer: unknown
          const asked = feed.subscribe(request)
          asked.then(
            () => (answer = true),
            () => (answer = true),
          )
          await at.until(() => answer !== undefined, 5)
          return asked
        },
      })
    } finally {
      await feed.close()
      await at.close()
    }
  })
}

const names = (notices: readonly Notice[]) => notices.map(({ notice }) => notice)

describe('the provider tickwire', () => {
  check('brings the events of a gateway as its own, with their marks', async at => {
    const outcome = await at.ask({ trades: ['SPY'], quotes: ['SPY'] })
    assert.equal(outcome.accepted.length, 2)
    const [trade] = trades(1)
    const quote = event({ type: 'quote', symbol: 'SPY', bid: 1, ask: 2, flags: 8 })
    at.tape.append([trade!, quote])
    await at.until(() => at.events.length === 2)
    assert.deepEqual(
      at.events.map(({ type, source, seq }) => [type, source, seq]),
      [
        ['trade', 'tickwire', undefined],
        ['quote', 'tickwire', undefined],
      ],
    )
    assert.ok(hasFlag(at.events[1]!, 'simulated'))
    const plain = (it: MarketEvent) => {
      const { seq: _, source: __, receivedAt: ___, ...rest } = JSON.parse(encodeEvent(it))
      return rest
    }
    assert.deepEqual(plain(at.events[0]!), plain(trade!))
  })

  check('says what the gateway says its data is', async at => {
    await at.ask({ trades: ['SPY'] })
    assert.equal(at.feedHere.capabilities.nature, 'simulated')
  })

  check('says what is refused there', async at => {
    const outcome = await at.ask({ trades: ['SPY', 'NOPE', 'REFUSED'] })
    assert.deepEqual(
      outcome.rejected.map(({ topic, reason }) => [topic.symbol, reason.code]),
      [
        ['NOPE', 'UNKNOWN_SYMBOL'],
        ['REFUSED', 'NOT_ENTITLED'],
      ],
    )
    assert.deepEqual(
      outcome.accepted.map(({ symbol }) => symbol),
      ['SPY'],
    )
  })

  check('is stale while the gateway is away, and has what it missed then', async at => {
    await at.ask({ trades: ['SPY'] })
    at.tape.append(trades(2))
    await at.until(() => at.events.length === 2)
    for (const { terminate } of socketsOf(at)) terminate()
    at.tape.append(trades(5))
    await at.until(() => at.events.length === 7, 20)
    assert.ok(names(at.notices).includes('stale'), names(at.notices).join())
    await at.until(() => names(at.notices).includes('live'), 20)
    assert.deepEqual(
      at.events.map(it => (it as unknown as { id: number }).id),
      [...new Set(at.events.map(it => (it as unknown as { id: number }).id))].sort((a, b) => a - b),
    )
    assert.ok(!names(at.notices).includes('gap'))
  })

  const asked: string[] = []
  const missed: MarketEvent[] = []
  check(
    'fills in what the gateway cannot resume from what it has stored, or says that it is missing',
    async at => {
      await at.ask({ trades: ['SPY'] })
      at.tape.append(trades(2))
      await at.until(() => at.events.length === 2)
      for (const { terminate } of socketsOf(at)) terminate()
      missed.push(...trades(5_000))
      at.tape.append(missed)
      at.tape.append(trades(3))
      await at.until(() => at.events.some(({ flags }) => (flags & 1) !== 0), 20)
      assert.ok(names(at.notices).includes('gap'), names(at.notices).join())
      const { pathname, searchParams } = new URL(asked[0]!)
      assert.equal(pathname, '/v1/trades')
      assert.equal(searchParams.get('symbols'), 'SPY')
      assert.ok(Number(searchParams.get('from')) <= missed[0]!.timestamp)
    },
    {
      tape: clock => memoryTape({ capacity: 64, clock }),
      provider: {
        httpGet: async ({ url }) => {
          asked.push(url)
          const page = { data: missed.map(it => JSON.parse(encodeEvent(it))), next: null }
          return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(page)) }
        },
      },
    },
  )

  check('takes what the tape there has lost for missing', async at => {
    await at.ask({ trades: ['SPY'] })
    at.tape.append(trades(2))
    await at.until(() => at.events.length === 2)
    const lost = { type: 'notice', source: '', notice: 'lost', message: 'a slow disk' } as const
    at.tape.append([event({ ...lost, from: 3, to: 9, code: 'UNRECORDED' })])
    at.tape.append(trades(1))
    await at.until(() => names(at.notices).includes('gap'), 20)
    assert.equal(at.notices.find(({ notice }) => notice === 'gap')?.symbol, 'SPY')
  })

  check(
    'ends where its key is refused',
    async at => {
      await assert.rejects(at.ask({ trades: ['SPY'] }), { code: 'KEY_REFUSED' })
    },
    {
      provider: { key: 'bad' },
      access: {
        upgrade: () => undefined,
        authenticate: () => {
          throw new TickwireError('KEY_REFUSED', 'no such key')
        },
      },
    },
  )
})

/** The ends of clients, as the network sees them. */
function socketsOf({ gateway }: StreamGateway): { terminate(): void }[] {
  const { hub } = gateway.inside
  return [...hub.clients].map(client => ({ terminate: () => client.outlet.destroy() }))
}
