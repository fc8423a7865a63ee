import assert from 'node:assert/strict'
import { seededRandom } from '../base/random.ts'
import type { MarketEvent } from '../market/events.ts'
import { type Moment, parseTime, toISO } from '../market/time.ts'
import type { FaultOptions } from './faults.ts'
import {
  ANSWERED_MS,
  Course,
  channelOf,
  type DocumentedFrame,
  type ProviderTraits,
  requestOf,
  type SuiteCheck,
  whyNot,
} from './provider-suite-kit.ts'

/** How long a hole may stay open where history has what is missing, ms. */
const REPAIRED_MS = 60_000

/** What comes of what a venue sends. */
export function dataChecks(traits: ProviderTraits): SuiteCheck[] {
  const checks: SuiteCheck[] = []
  const [first] = traits.symbols
  const probe = new Course(traits)
  const { capabilities } = probe.provider
  void probe.venue.close()
  const add = (title: string, body: (course: Course) => Promise<void>, at?: number) => {
    const run = async () => {
      const course = new Course(traits, at === undefined ? {} : { at })
      await body(course)
      await course.end()
    }
    checks.push({ title, run })
  }
  const addUnless = (
    why: string | undefined,
    title: string,
    body: (course: Course) => Promise<void>,
  ) => {
    if (why === undefined) add(title, body)
    else checks.push({ title, excluded: why })
  }
  const cannot = (fault: FaultOptions) => whyNot(traits, fault)

  checks.push({
    title: 'every kind it carries is shown by a documented frame',
    run: async () => {
      const shown = new Set<string>(traits.frames.map(({ kind }) => kind))
      for (const kind of capabilities.kinds) {
        const has = shown.has(kind) || traits.without?.[kind] !== undefined
        assert.ok(has || !channelOf(kind), `no frame of ${kind}`)
      }
      for (const kind of shown) {
        assert.ok(traits.malformed[kind]?.length, `no malformed frame of ${kind}`)
      }
      for (const kind of shown) assert.ok(capabilities.kinds.includes(kind as never), kind)
    },
  })

  const bars = traits.frames.filter(({ kind }) => kind === 'bar')
  if (bars.length > 0) {
    checks.push({
      title: 'a bar that is over is shown to be final',
      run: async () => {
        assert.ok(
          bars.some(({ gives }) => gives.final === true),
          'no documented frame gives `final: true`',
        )
      },
    })
  }

  for (const { name, kind, symbol, interval, frames, gives, at, withinMs } of traits.frames) {
    add(
      `as documented: ${name}`,
      async course => {
        const asked = course.feed.subscribe(requestOf(kind, [symbol], interval))
        await course.clock.advance(ANSWERED_MS)
        const { accepted } = await course.settled(asked, 'subscribe')
        assert.equal(accepted.length, 1)
        const time = timeOf(gives.timestamp)
        // Of the same moment, the time of receipt would pass for the venue's.
        const isOlder = time === undefined || time.timestamp < Math.floor(course.clock.now())
        assert.ok(isOlder, '`at` is not later than what the frame gives as `timestamp`')
        for (const frame of frames) course.send(frame)
        await course.clock.advance(withinMs ?? ANSWERED_MS)
        const came = course.events.filter(event => event.type === kind)
        const plain = came.map(event => asPlain(event, gives))
        const { malformed, samples, quarantined } = course.feed.stats()
        assert.equal(malformed, 0, JSON.stringify(samples))
        const { source } = course.feed
        const wanted = JSON.stringify({ symbol, source, ...gives, timestamp: shownOf(gives) })
        assert.ok(
          plain.includes(wanted),
          `${wanted} is not in ${plain.join() || JSON.stringify(quarantined)}`,
        )
        assert.ok(
          came.every(({ receivedAt }) => receivedAt > 0),
          'it says when it came',
        )
      },
      at,
    )
  }

  const unasked = {
    title: 'what nobody asked for is not delivered, whatever the venue sends',
    run: async () => {
      for (const { name, kind, symbol, frames, at, withinMs } of traits.frames) {
        const course = new Course(traits, at === undefined ? {} : { at })
        const other = traits.symbols.find(one => one !== symbol)!
        await course.subscribed(other)
        for (const frame of frames) course.send(frame)
        await course.clock.advance(withinMs ?? ANSWERED_MS)
        const strange = course.events.filter(it => it.type !== course.kind || it.symbol !== other)
        assert.deepEqual(strange, [], `${name}: ${kind} of ${symbol}`)
        await course.end()
      }
    },
  }
  if (!traits.addressed) checks.push(unasked)
  else checks.push({ title: unasked.title, excluded: 'traits.addressed: it cannot come' })

  add('what happens comes: all of it, as it was, once and in order', async course => {
    await course.subscribed(first)
    const random = seededRandom(3)
    const sent: MarketEvent[] = []
    for (let i = 0; i < 100; i++) {
      // What happened a moment ago, so that the time of receipt is not the venue's.
      const batch = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
        course.next(first, traits.stampsSent ? 0 : 1),
      )
      sent.push(...batch)
      course.venue.deliver(batch)
      await course.clock.advance(1 + Math.floor(random() * 400))
    }
    await course.clock.advance(ANSWERED_MS)
    const came = course.events.filter(event => event.type === course.kind)
    const wholeSeconds = capabilities.wholeSeconds ?? false
    const fields = (event: MarketEvent) => {
      const { type, symbol, timestamp, ...rest } = event
      const { price, size, bid, ask, last } = rest as { [key: string]: unknown }
      const time = wholeSeconds ? Math.floor(timestamp / 1_000) : timestamp
      return [type, symbol, time, price, size, bid, ask, last, String(course.markOf(event))]
    }
    assert.deepEqual(came.map(fields), sent.map(fields))
    for (const { source } of came) assert.equal(source, course.feed.source)
    const { malformed, unknown } = course.feed.stats()
    assert.deepEqual([malformed, unknown], [0, {}])
  })

  for (const [kind, sources = []] of Object.entries(traits.malformed)) {
    add(`a frame of ${kind} that says what cannot be is counted, never delivered`, async course => {
      const shown = traits.frames.find(frame => frame.kind === kind)
      const symbols = new Set([first, shown?.symbol ?? first])
      await course.subscribedTo(kind, [...symbols], shown?.interval)
      for (const source of sources) {
        const { malformed, quarantined } = course.feed.stats()
        const before = course.events.length
        const frame = course.send(source)
        await course.clock.advance(10)
        const after = course.feed.stats()
        const counted = after.malformed + after.quarantined.count - malformed - quarantined.count
        assert.ok(counted > 0, `not noticed: ${textOf(frame)}`)
        const came = course.events.slice(before).filter(event => event.type === kind && says(event))
        assert.deepEqual(came, [], `delivered: ${textOf(frame)}`)
      }
      assert.ok(course.feed.stats().samples.length > 0, 'samples are kept')
      if (kind !== course.kind) return
      await course.clock.advance(REPAIRED_MS)
      await course.flows(first)
    })
  }

  add('noise in place of a frame does no harm', async course => {
    await course.subscribed(first)
    const random = seededRandom(9)
    const frames = Array.from({ length: 50 }, () =>
      Uint8Array.from({ length: Math.floor(random() * 64) }, () => Math.floor(random() * 256)),
    )
    course.venue.send(...frames, '', '{', '[]', '{}', 'null', '[null]', '"', '[[[[[[', '1e999')
    await course.clock.advance(REPAIRED_MS)
    assert.deepEqual(course.events, [])
    assert.ok(course.feed.stats().malformed > 0, 'it is counted')
    assert.equal(course.feed.state, 'open')
    await course.flows(first)
  })

  for (const fault of ['corrupt-json', 'truncated-msgpack'] as const) {
    addUnless(
      cannot({ fault }),
      `damaged frames are counted, and what comes behind them is right (${fault})`,
      async it => {
        await it.subscribed(first)
        it.inject({ fault, times: 2 })
        await it.seconds(5, first)
        // A venue that speaks both hears this one only in its own form.
        const harmed = it.feed.stats().malformed
        const isWhole = harmed === 0 && it.idsOf(first).came.length === 5
        assert.ok(harmed === 2 || isWhole, `${harmed} counted of 2`)
        const intact = it.idsOf(first).came.length
        assert.ok(intact >= 3, `${intact} came of the 3 behind them`)
        await it.clock.advance(REPAIRED_MS)
        await it.flows(first)
        const { sent, came } = it.idsOf(first)
        assert.ok(came.length <= sent && new Set(came).size === came.length, 'none twice')
      },
    )
  }

  addUnless(cannot({ fault: 'duplicate' }), 'what is sent twice comes once', async course => {
    await course.subscribed(first)
    course.inject({ fault: 'duplicate', times: 5 })
    await course.seconds(10, first)
    await course.clock.advance(REPAIRED_MS)
    const { sent, came } = course.idsOf(first)
    assert.deepEqual(came, idsTo(sent))
  })

  const { history } = capabilities
  const repairs = history === true || (Array.isArray(history) && history.includes(probe.kind))
  const unrepaired =
    repairs && probe.kind === 'trade' ? undefined : 'capabilities.history: no past trades'
  for (const fault of [{ fault: 'restart', for: '5s' }, { fault: 'cut' }] as const) {
    addUnless(
      unrepaired,
      `trades missed while it was away are filled in (${fault.fault})`,
      async course => {
        await course.subscribed(first)
        await course.seconds(5, first)
        course.inject(fault)
        await course.seconds(60, first)
        await course.clock.advance(REPAIRED_MS)
        const { sent, came } = course.idsOf(first)
        assert.deepEqual(
          [...came].map(Number).sort((a, b) => a - b),
          idsTo(sent),
        )
        assert.ok(course.count('repaired') > 0 || fault.fault === 'cut', 'and that is told')
      },
    )
  }
  addUnless(
    unrepaired ?? cannot({ fault: 'rest-error' }),
    'a history that fails at first is asked again',
    async course => {
      await course.subscribed(first)
      await course.seconds(5, first)
      course.inject({ fault: 'rest-error', status: 503, times: 3 })
      course.inject({ fault: 'restart', for: '5s' })
      await course.seconds(60, first)
      await course.clock.advance(3 * REPAIRED_MS)
      const { sent, came } = course.idsOf(first)
      assert.deepEqual(
        [...came].map(Number).sort((a, b) => a - b),
        idsTo(sent),
      )
    },
  )
  return checks
}

const idsTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

const textOf = (frame: string | Uint8Array) =>
  typeof frame === 'string' ? frame : Buffer.from(frame).toString('hex')

/** Whether there is anything in it: a book that broke is asked for anew, and nothing may stand in it yet. */
function says(event: MarketEvent): boolean {
  if (event.type === 'quote') return event.bid !== undefined || event.ask !== undefined
  return event.type !== 'book' || event.bids.length + event.asks.length > 0
}

/** A time as `gives` has it; `undefined` for that of receipt. */
function timeOf(time: number | string): Moment | undefined {
  if (time === 'received') return undefined
  const moment = typeof time === 'number' ? { timestamp: time, nanos: 0 } : parseTime(time ?? '')
  assert.ok(moment, 'gives: no `timestamp`, which is ISO text, whole ms, or `received`')
  return moment
}

function shownOf({ timestamp: time }: DocumentedFrame['gives']): string {
  const moment = timeOf(time)
  return moment ? toISO(moment) : 'received'
}

/** Those fields of an event that are asked about, as text. */
function asPlain(event: MarketEvent, gives: DocumentedFrame['gives']): string {
  const { symbol, source, timestamp, receivedAt, ...rest } = event as MarketEvent & {
    [key: string]: unknown
  }
  const isReceipt = gives.timestamp === 'received' && timestamp === Math.floor(receivedAt)
  const all: { [key: string]: unknown } = {
    ...rest,
    timestamp: isReceipt ? 'received' : toISO(event),
  }
  const asked = Object.keys(gives).map(key => [key, all[key]])
  return JSON.stringify({ symbol, source, ...Object.fromEntries(asked) })
}
