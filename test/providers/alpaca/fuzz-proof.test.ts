// That the fuzzer finds what is wrong: decoders broken on purpose, each in one small way.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Inbox } from '../../../src/feed/description.ts'
import { createEvent, type EventFields, type MarketEvent } from '../../../src/market/events.ts'
import { JsonScanner } from '../../../src/providers/alpaca/scan-json.ts'
import { MsgpackScanner } from '../../../src/providers/alpaca/scan-msgpack.ts'
import { fuzz } from './fuzz.ts'

const SCANNERS = { json: JsonScanner, msgpack: MsgpackScanner }
type Codec = keyof typeof SCANNERS

/** Runs `use` while what a scanner reports goes through `tamper` first. */
function whileBroken<R>(codec: Codec, tamper: (inbox: Inbox) => Inbox, use: () => R): R {
  const { prototype } = SCANNERS[codec]
  const { decode } = prototype
  prototype.decode = function (this: JsonScanner & MsgpackScanner, frame, binary, at, inbox) {
    decode.call(this, frame, binary, at, tamper(inbox))
  }
  try {
    return use()
  } finally {
    prototype.decode = decode
  }
}

const bound = (inbox: Inbox): Inbox => ({
  event: event => inbox.event(event),
  control: control => inbox.control(control),
  malformed: reason => inbox.malformed(reason),
  unknown: kind => inbox.unknown(kind),
})
const changed = (event: MarketEvent, fields: Partial<EventFields>) =>
  createEvent({ ...event, ...fields } as EventFields)

const BREAKS: Readonly<Record<string, (inbox: Inbox) => Inbox>> = {
  'a price is off by its last bit': inbox => ({
    ...bound(inbox),
    event: event =>
      inbox.event(
        event.type === 'trade' ? changed(event, { price: event.price * (1 + 2 ** -52) }) : event,
      ),
  }),
  'a size of 0 is -0': inbox => ({
    ...bound(inbox),
    event: event =>
      inbox.event(
        event.type === 'trade' && event.size === 0 ? changed(event, { size: -0 }) : event,
      ),
  }),
  'a nanosecond is lost': inbox => ({
    ...bound(inbox),
    event: event =>
      inbox.event(event.nanos > 0 ? changed(event, { nanos: event.nanos - 1 }) : event),
  }),
  'an id beyond 2^53 is rounded': inbox => ({
    ...bound(inbox),
    event: event =>
      inbox.event(
        event.type === 'trade' && typeof event.id === 'string'
          ? changed(event, { id: Number(event.id) })
          : event,
      ),
  }),
  'an absent list is an empty one': inbox => ({
    ...bound(inbox),
    event: event =>
      inbox.event(
        event.type === 'quote' && !event.conditions ? changed(event, { conditions: [] }) : event,
      ),
  }),
  'an event of a rare kind is lost': inbox => ({
    ...bound(inbox),
    event: event => {
      if (event.type !== 'cancel') inbox.event(event)
    },
  }),
  'an event comes twice': inbox => ({
    ...bound(inbox),
    event: event => {
      inbox.event(event)
      if (event.type === 'luld') inbox.event(event)
    },
  }),
  'a level of a book is lost': inbox => ({
    ...bound(inbox),
    event: event =>
      inbox.event(
        event.type === 'book' && event.bids.length > 1
          ? changed(event, { bids: event.bids.slice(1) })
          : event,
      ),
  }),
  'a change of a book passes for the whole': inbox => ({
    ...bound(inbox),
    event: event => inbox.event(event.type === 'book' ? changed(event, { snapshot: true }) : event),
  }),
  'a taker is on the other side': inbox => ({
    ...bound(inbox),
    event: event =>
      inbox.event(
        event.type === 'trade' && event.side === 'buy' ? changed(event, { side: 'sell' }) : event,
      ),
  }),
  'an article has the time of its making': inbox => ({
    ...bound(inbox),
    event: event =>
      inbox.event(
        event.type === 'news' && event.createdAt !== undefined
          ? changed(event, { timestamp: event.createdAt })
          : event,
      ),
  }),
  'a refusal is lost': inbox => ({ ...bound(inbox), malformed: () => {} }),
  'a refusal says something else': inbox => ({
    ...bound(inbox),
    malformed: reason => inbox.malformed(reason.replace('price', 'number')),
  }),
  'an acknowledgement covers everything': inbox => ({
    ...bound(inbox),
    control: control =>
      inbox.control(control.type === 'acknowledged' ? { ...control, covers: () => true } : control),
  }),
}

describe('a broken scanner is found, and its seed finds it again', () => {
  for (const codec of ['json', 'msgpack'] as const) {
    for (const [fault, tamper] of Object.entries(BREAKS)) {
      test(`${codec}: ${fault}`, () => {
        const { failures } = whileBroken(codec, tamper, () => fuzz(codec, 1_500, 1))
        assert.ok(failures.length > 0, 'not found')
        const seed = Number(/^seed (\d+)/.exec(failures[0]!)?.[1])
        assert.ok(seed >= 1 && seed <= 1_500, failures[0])
        const again = whileBroken(codec, tamper, () => fuzz(codec, 1, seed))
        assert.equal(again.failures[0], failures[0])
        assert.deepEqual(fuzz(codec, 1, seed).failures, [], 'nor is the frame at fault')
      })
    }
  }

  test('the plan of the frames depends on the seed alone', () => {
    assert.deepEqual(fuzz('json', 300, 7), fuzz('json', 300, 7))
    assert.notDeepEqual(fuzz('json', 300, 7), fuzz('json', 300, 9_000))
  })
})

describe('the fuzzer by hand', () => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
  const script = fileURLToPath(new URL('fuzz.ts', import.meta.url))
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['--import', tsx, script, ...args], { encoding: 'utf8' })

  test('says what it did, and from which seed', () => {
    const { status, stdout, stderr } = run('--rounds', '500', '--seed', '42')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^json: 500 frames from seed 42: all the same \(\d+ reports/m)
    assert.match(stdout, /^msgpack: 500 frames from seed 42: all the same \(\d+ reports/m)
  })

  test('refuses numbers that are none', () => {
    for (const args of [
      ['--rounds', 'many'],
      ['--rounds', '0'],
      ['--seed', '1.5'],
    ]) {
      const { status, stderr } = run(...args)
      assert.equal(status, 2)
      assert.match(stderr, /^usage: /)
    }
  })
})
