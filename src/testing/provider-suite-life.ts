import assert from 'node:assert/strict'
import { ERRORS, TickwireError } from '../base/errors.ts'
import { type Instrument, instruments } from '../market/instruments.ts'
import type { FaultOptions } from './faults.ts'
import {
  ANSWERED_MS,
  Course,
  channelOf,
  type ProviderTraits,
  requestOf,
  type SuiteCheck,
  whyNot,
} from './provider-suite-kit.ts'

/** The longest a connection that answers nothing may pass for alive, ms. */
const MUTE_MS = 60_000
/** The longest it may take until all is well again when nothing goes wrong any more, ms. */
const WELL_MS = 60_000
/** Kinds that come often enough to be missed. */
const FREQUENT: readonly string[] = ['trade', 'quote', 'ticker', 'book']
/**
 * How long something comes every second, and how long nothing changes then: less than a silence after which a connection
 * is replaced unasked.
 */
const BUSY_S = 60
const QUIET_MS = 240_000
/** The most attempts in ten seconds, whatever happens. */
const MOST_ATTEMPTS = 10

/** The life of a connection, from the first request to the last. */
export function lifeChecks(traits: ProviderTraits): SuiteCheck[] {
  const checks: SuiteCheck[] = []
  const [first, second] = traits.symbols
  const probe = new Course(traits)
  const { venue, provider, kind: probed } = probe
  const { capabilities } = provider
  void venue.close()
  const add = (
    title: string,
    body: (course: Course) => Promise<void>,
    options: { symbols?: readonly string[] } = {},
  ) => {
    const run = async () => {
      const course = new Course(traits, options)
      await body(course)
      await course.end()
    }
    checks.push({ title, run })
  }
  /** One that only makes sense where something holds; `why` says what is the matter where it does not. */
  const addUnless = (
    why: string | undefined,
    title: string,
    body: (course: Course) => Promise<void>,
    options: { symbols?: readonly string[] } = {},
  ) => {
    if (why === undefined) add(title, body, options)
    else checks.push({ title, excluded: why })
  }
  const cannot = (fault: FaultOptions) => whyNot(traits, fault)

  add('symbols have one form, however they are written', async ({ provider }) => {
    for (const symbol of traits.symbols) assert.equal(provider.symbol(symbol), symbol)
    for (const [written, meant] of Object.entries(traits.spellings ?? {})) {
      assert.equal(provider.symbol(written), meant)
    }
    for (const wrong of ['', ' ', '\n', 'A\u0000B']) {
      assert.throws(() => provider.symbol(wrong), isTickwire, JSON.stringify(wrong))
    }
  })

  add('what it says of itself is so', async course => {
    const { provider } = course
    const { history, kinds, barIntervals, limits } = provider.capabilities
    assert.equal(new Set(kinds).size, kinds.length)
    assert.equal(barIntervals.length > 0, kinds.includes('bar'), 'bars have lengths')
    assert.equal(provider.history !== undefined, history !== false, 'history')
    assert.ok((limits.connections ?? 1) >= 1, 'at least one connection')
    if (!provider.instruments) return
    for (const like of [undefined, ...traits.symbols]) {
      const asked: Promise<Instrument[]> = provider.instruments(undefined, like)
      const list = await course.settled(asked, 'instruments')
      const book = instruments(list)
      assert.equal(book.size, list.length)
      for (const { symbol } of list) assert.equal(provider.symbol(symbol), symbol)
      // A venue that is searched lists what was searched for.
      if (like !== undefined) assert.ok(book.get(like), `${like} is listed`)
    }
  })

  add('nothing is opened before something is asked for', async course => {
    await course.clock.advance(10_000)
    assert.equal(course.venue.attempts.length, 0)
  })

  add('it connects once, is granted what it asked for, and says so', async course => {
    await course.subscribed(first, second)
    assert.equal(course.feed.state, 'open')
    assert.equal(course.venue.attempts.length, 1)
    assert.equal(course.venue.connections.length, 1)
    assert.equal(course.feed.stats().topics.acknowledged, 2)
    assert.deepEqual([course.count('connected'), course.count('disconnected')], [1, 0])
    await course.flows(first, second)
  })

  addUnless(
    capabilities.kinds.includes('luld') ? 'capabilities.kinds has luld' : undefined,
    'what it does not carry is refused before it is asked',
    async course => {
      await assert.rejects(async () => course.feed.subscribe({ lulds: first }), {
        code: 'UNSUPPORTED',
      })
      assert.equal(course.venue.attempts.length, 0)
    },
  )

  const { unknown } = traits
  const keyless = capabilities.auth === 'key' ? undefined : 'capabilities.auth is none'
  addUnless(
    unknown === undefined ? 'traits.unknown: the venue refuses no symbol' : undefined,
    'a symbol the venue refuses is refused by name, and takes no other with it',
    async it => {
      const asked = it.feed.subscribe(requestOf(it.kind, [first, unknown!, second]))
      await it.clock.advance(8_000)
      // A venue may grant first, and be found out later.
      const { accepted, rejected } = await it.settled(asked, 'subscribe')
      assert.equal(accepted.length + rejected.length, 3)
      const { topics } = it.feed.stats()
      assert.deepEqual([topics.acknowledged, topics.rejected], [2, 1])
      const told = it.notices.filter(({ notice }) => notice === 'rejected')
      assert.deepEqual(
        told.map(({ symbol }) => symbol),
        [unknown],
      )
      assert.ok(Object.hasOwn(ERRORS, told[0]!.code ?? ''), 'it says why')
      await it.flows(first, second)
    },
  )

  addUnless(
    keyless ?? cannot({ fault: 'auth-error' }),
    'a refused key ends it at once, for good, with a reason that names a way out',
    async it => {
      it.inject({ fault: 'auth-error' })
      it.feed.subscribe(requestOf(it.kind, [first])).catch(() => {})
      await it.clock.advance(ANSWERED_MS)
      await assert.rejects(it.settled(it.feed.done, 'done'), (error: unknown) => {
        assert.ok(error instanceof TickwireError, String(error))
        assert.equal(ERRORS[error.code].verdict, 'fatal', error.code)
        assert.ok(error.hint, 'a hint')
        return true
      })
      await it.clock.advance(600_000)
      assert.equal(it.venue.attempts.length, 1, 'it does not knock again')
    },
  )

  addUnless(
    keyless ?? cannot({ fault: 'auth-timeout' }),
    'a key that nobody answers is tried again',
    async course => {
      course.inject({ fault: 'auth-timeout' })
      course.feed.subscribe(requestOf(course.kind, [first])).catch(() => {})
      await course.clock.advance(WELL_MS)
      assert.equal(course.feed.state, 'open')
      assert.ok(course.venue.attempts.length > 1, 'it has connected again')
      await course.flows(first)
    },
  )

  addUnless(
    cannot({ fault: 'connection-limit' }),
    'a slot that is taken is waited for, not stormed',
    async course => {
      course.inject({ fault: 'connection-limit', times: 2 })
      course.feed.subscribe(requestOf(course.kind, [first])).catch(() => {})
      await course.clock.advance(10_000)
      assert.ok(course.venue.attempts.length <= 3, `${course.venue.attempts.length} attempts`)
      await course.clock.advance(300_000)
      assert.equal(course.feed.state, 'open')
      await course.flows(first)
    },
  )

  addUnless(
    cannot({ fault: 'partial-ack' }),
    'what the venue left out of its answer is asked for again',
    async course => {
      course.inject({ fault: 'partial-ack' })
      course.feed.subscribe(requestOf(course.kind, [first, second])).catch(() => {})
      await course.clock.advance(WELL_MS)
      assert.deepEqual(struck(course), ['partial-ack'])
      assert.equal(course.feed.stats().topics.acknowledged, 2)
      await course.flows(first, second)
    },
  )

  addUnless(
    cannot({ fault: 'symbol-limit' }),
    'a subscription refused for now is asked for again, without a storm',
    async course => {
      await course.subscribed(first)
      course.inject({ fault: 'symbol-limit' })
      course.feed.subscribe(requestOf(course.kind, [second])).catch(() => {})
      await course.clock.advance(600_000)
      const before = course.venue.attempts.length
      assert.ok(before <= 5, `${before} attempts`)
      await course.flows(first)
      const { acknowledged, rejected } = course.feed.stats().topics
      assert.equal(acknowledged + rejected, 2, 'it has an answer')
    },
  )

  const { symbolsPerConnection: most, connections = 1 } = capabilities.limits
  const { many } = traits
  const spreads = many !== undefined && most !== undefined && connections > 1
  const symbols = spreads ? Array.from({ length: most + 2 }, (_, index) => many(index)) : []
  addUnless(
    spreads ? undefined : 'capabilities.limits: one connection carries all symbols',
    'more symbols than a connection carries are spread, each on one',
    async course => {
      course.feed.subscribe(requestOf(course.kind, symbols)).catch(() => {})
      await course.clock.advance(WELL_MS)
      const open = course.venue.connections
      assert.ok(open.length > 1 && open.length <= connections, `${open.length} connections`)
      const carried = open.map(({ subscribed }) => Object.values(subscribed).flat())
      for (const names of carried) assert.ok(new Set(names).size <= most!, `${names.length} on one`)
      assert.equal(course.feed.stats().topics.acknowledged, symbols.length)
      course.deliver(...symbols)
      await course.clock.advance(ANSWERED_MS)
      const came = course.events.filter(event => event.type === course.kind)
      assert.deepEqual(came.map(event => event.symbol).sort(), [...symbols].sort())
    },
    { symbols },
  )

  add('a quiet market is no dead connection', async course => {
    await course.subscribed(first)
    await course.clock.advance(120_000)
    assert.equal(course.feed.state, 'open')
    assert.equal(course.venue.attempts.length, 1)
    assert.deepEqual([course.count('disconnected'), course.codes().includes('MUTE')], [0, false])
    await course.flows(first)
  })

  const { kinds } = capabilities
  for (const kind of kinds.filter(one => FREQUENT.includes(one))) {
    add(`${kind}s that stand still after a busy time are no dead connection`, async course => {
      const market = () => course.venue.deliver(course.market(first, kinds))
      market()
      await course.subscribedTo(kind, [first])
      for (let i = 0; i < BUSY_S; i++) {
        market()
        await course.clock.advance(1_000)
      }
      const before = course.events.filter(event => event.type === kind).length
      assert.ok(before > 0, `no ${kind} came`)
      await course.clock.advance(QUIET_MS)
      assert.deepEqual([course.venue.attempts.length, course.count('disconnected')], [1, 0])
      assert.equal(course.count('stale'), 0)
      market()
      await course.clock.advance(ANSWERED_MS)
      const after = course.events.filter(event => event.type === kind).length
      assert.ok(after > before, `no ${kind} came any more`)
    })
  }

  for (const fault of ['stall', 'half-open'] as const) {
    const options = { fault, ...(fault === 'stall' && { for: '10m' }) } as FaultOptions
    addUnless(
      cannot(options),
      `a connection that answers nothing is found out and replaced (${fault})`,
      async course => {
        if (fault === 'half-open') course.inject(options)
        course.feed.subscribe(requestOf(course.kind, [first])).catch(() => {})
        await course.clock.advance(ANSWERED_MS)
        if (fault === 'stall') {
          await course.flows(first)
          course.inject(options)
        }
        await course.clock.advance(MUTE_MS)
        assert.ok(course.venue.attempts.length > 1, 'it has connected again')
        const found = ['MUTE', 'HANDSHAKE_TIMEOUT'].some(code => course.codes().includes(code))
        assert.ok(found, `it says why: ${course.codes()}`)
        await course.clock.advance(WELL_MS)
        assert.equal(course.feed.state, 'open')
        await course.flows(first)
      },
    )
  }

  add('after a cut the venue has again what it had, and data comes', async course => {
    await course.subscribed(first, second)
    const before = course.held()
    assert.ok(before.length > 0, 'the venue has subscriptions')
    course.inject({ fault: 'cut' })
    await course.clock.advance(WELL_MS)
    assert.deepEqual(course.held(), before)
    assert.equal(course.venue.connections.length, 1)
    assert.ok(course.count('disconnected') >= 1, 'the break is told')
    assert.ok(course.count('connected') >= 2, 'and its end')
    await course.flows(first, second)
  })

  add('what changed while it was away is what is asked for then', async course => {
    await course.subscribed(second)
    const kept = course.held()
    course.feed.unsubscribe(requestOf(course.kind, [second]))
    await course.subscribed(first)
    course.inject({ fault: 'restart', for: '5s' })
    await course.clock.advance(1_000)
    course.feed.subscribe(requestOf(course.kind, [second])).catch(() => {})
    course.feed.unsubscribe(requestOf(course.kind, [first]))
    await course.clock.advance(WELL_MS)
    assert.deepEqual(course.held(), kept)
    await course.flows(second)
    const before = course.events.length
    course.deliver(first)
    await course.clock.advance(ANSWERED_MS)
    assert.equal(course.events.length, before, 'what was let go does not come')
  })

  add('what is let go, the venue stops sending; with the last goes the connection', async it => {
    await it.subscribed(first)
    const alone = it.held()
    await it.settled(it.feed.subscribe(requestOf(it.kind, [second])), 'subscribe')
    it.feed.unsubscribe(requestOf(it.kind, [second]))
    await it.clock.advance(ANSWERED_MS)
    assert.deepEqual(it.held(), alone)
    it.feed.unsubscribe(requestOf(it.kind, [first]))
    await it.clock.advance(10_000)
    assert.equal(it.venue.openConnections(), 0)
  })

  for (const other of kinds.filter(one => one !== probed && channelOf(one))) {
    const bar = other === 'bar' ? capabilities.barIntervals[0] : undefined
    add(`of two kinds held together one is let go, and the other stays (${other})`, async it => {
      const letGo = async (kind: string) => {
        it.feed.unsubscribe(requestOf(kind, [first], kind === 'bar' ? bar : undefined))
        await it.clock.advance(ANSWERED_MS)
      }
      await it.subscribed(first)
      const alone = it.held()
      await it.subscribedTo(other, [first], bar)
      await letGo(other)
      assert.deepEqual(it.held(), alone, `${other} is let go`)
      await it.flows(first)
      const strange = it.events.filter(({ type }) => type === other)
      it.venue.deliver(it.market(first, kinds))
      await it.clock.advance(ANSWERED_MS)
      const now = it.events.filter(({ type }) => type === other)
      assert.equal(now.length, strange.length, `no ${other} comes any more`)
      // And the other way round: what is left is as if it had been asked for by itself.
      await it.subscribedTo(other, [first], bar)
      await letGo(it.kind)
      const left = it.held()
      await letGo(other)
      await it.clock.advance(10_000)
      await it.subscribedTo(other, [first], bar)
      assert.deepEqual(left, it.held(), `${it.kind} is let go`)
    })
  }

  add('a venue that is gone for long is knocked at ever more rarely', async course => {
    await course.subscribed(first)
    course.inject({ fault: 'restart', for: '120s' })
    await course.clock.advance(120_000 + 2 * WELL_MS)
    assert.ok(course.venue.connectsPerWindow() <= MOST_ATTEMPTS, 'no storm')
    const late = course.venue.attempts.filter(time => time >= course.venue.attempts[0]! + 90_000)
    assert.ok(late.length <= 8, `${late.length} attempts after a minute and a half`)
    assert.equal(course.feed.state, 'open')
    await course.flows(first)
  })

  addUnless(cannot({ fault: 'upgrade-429' }), 'told to wait, it waits', async course => {
    await course.subscribed(first)
    course.inject({ fault: 'upgrade-429', retryAfter: '20s' })
    course.inject({ fault: 'cut' })
    await course.clock.advance(15_000)
    const knocked = course.venue.attempts.length
    assert.ok(knocked >= 2, 'it has tried')
    assert.deepEqual(struck(course), ['cut', 'upgrade-429'])
    const refusedAt = course.venue.attempts[1]!
    await course.clock.advance(2 * WELL_MS)
    assert.ok(course.venue.attempts[2]! >= refusedAt + 20_000, 'not before the time is over')
    await course.flows(first)
  })

  addUnless(
    cannot({ fault: 'upgrade-502' }),
    'an error of a proxy before the venue passes',
    async course => {
      course.inject({ fault: 'upgrade-502', times: 2 })
      course.feed.subscribe(requestOf(course.kind, [first])).catch(() => {})
      await course.clock.advance(WELL_MS)
      assert.equal(course.feed.state, 'open')
      await course.flows(first)
    },
  )

  add(
    'it ends cleanly: by a closing handshake, nothing left, also when told twice',
    async course => {
      await course.subscribed(first)
      const closed = [course.feed.close(), course.feed.close()]
      await course.clock.advance(ANSWERED_MS)
      await Promise.all(closed)
      await course.feed.done
      const ends = course.happenings.filter(it => it.type === 'closed')
      assert.deepEqual(
        ends.map(it => it.type === 'closed' && it.clean),
        [true],
      )
      const before = course.events.length
      course.deliver(first)
      await course.clock.advance(ANSWERED_MS)
      assert.equal(course.events.length, before)
    },
  )

  add('it ends as well in the midst of connecting, and of waiting to', async course => {
    course.inject({ fault: 'refuse', for: '30s' })
    course.feed.subscribe(requestOf(course.kind, [first])).catch(() => {})
    await course.clock.advance(5_000)
  })
  return checks
}

const struck = (course: Course) => course.venue.struck.map(({ fault }) => fault)

function isTickwire(error: unknown): error is TickwireError {
  return error instanceof TickwireError && Object.hasOwn(ERRORS, error.code)
}
