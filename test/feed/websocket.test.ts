// One connection and the contract with a venue's description: answers, pace, order, addresses, fresh books.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TickwireError } from '../../src/base/errors.ts'
import { silentLog } from '../../src/base/log.ts'
import type { ConnectionContext, WebSocketDescription } from '../../src/feed/description.ts'
import { createEvent } from '../../src/market/events.ts'
import type { Topic } from '../../src/market/topics.ts'
import type { ScriptedSocket } from '../../src/testing/sockets.ts'
import { connectTo, names, parseControl, topicOf } from './websocket-kit.ts'

const trade = (symbol: string) => topicOf('trade', symbol)
const book = (symbol: string) => topicOf('book', symbol)

describe('answers', () => {
  test('that were wrong are taken back: what was confirmed is refused after all', async () => {
    const toy = connectTo({
      decoder: context => ({
        decode: frame => {
          const { type, symbol } = JSON.parse(Buffer.from(frame).toString())
          const error = new TickwireError('UNKNOWN_SYMBOL', `no ${symbol}`)
          const covers = (topic: Topic) => symbol === undefined || topic.symbol === symbol
          context.control({ type, error, covers, id: 1 })
        },
      }),
    })
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B')])
    toy.say({ type: 'confirmed' })
    toy.say({ type: 'refused', symbol: 'B' })
    toy.say({ type: 'refused', symbol: 'Z' })
    assert.deepEqual(toy.told, ['acknowledged A B', 'rejected B: UNKNOWN_SYMBOL'])
  })

  test('by name or number are told to a decoder that has more to ask', async () => {
    const heard: string[] = []
    const toy = connectTo({
      decoder: () => ({
        decode: (frame, _binary, _receivedAt, inbox) =>
          inbox.control(parseControl(Buffer.from(frame).toString())),
        confirmed: topics => heard.push(names(topics)),
      }),
    })
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B')])
    toy.say({ type: 'confirmed', id: 9 })
    toy.say({ type: 'confirmed', id: 1, symbols: ['B'] })
    toy.say({ type: 'confirmed', id: 1 })
    assert.deepEqual(heard, ['B', 'A'])
  })

  test('come by the id of a request, one topic at a time, in any order', async () => {
    const toy = connectTo()
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B')])
    toy.connection.subscribe([trade('C')])
    assert.deepEqual(toy.sent, ['1 add A B', '2 add C'])
    toy.say({ type: 'confirmed', id: 2 })
    toy.say({ type: 'confirmed', id: 1, symbols: ['B'] })
    toy.say({ type: 'confirmed', id: 1, symbols: ['A'] })
    assert.deepEqual(toy.told, ['acknowledged C', 'acknowledged B', 'acknowledged A'])
  })

  test('that answer nothing, or the same twice, change nothing', async () => {
    const toy = connectTo()
    await toy.open()
    toy.connection.subscribe([trade('A')])
    toy.say({ type: 'confirmed', id: 7 })
    toy.say({ type: 'confirmed', id: 1, symbols: ['Z'] })
    assert.deepEqual(toy.told, [])
    toy.say({ type: 'confirmed', id: 1 })
    toy.say({ type: 'confirmed', id: 1 })
    assert.deepEqual(toy.told, ['acknowledged A'])
  })

  test('without an id are about the oldest request', async () => {
    const toy = connectTo()
    await toy.open()
    toy.connection.subscribe([trade('A')])
    toy.connection.subscribe([trade('B')])
    toy.say({ type: 'confirmed' })
    toy.say({ type: 'error', code: 5, message: 'no B' })
    assert.deepEqual(toy.told, ['acknowledged A', 'rejected B: UNKNOWN_SYMBOL'])
  })

  test('that name topics find them in whatever request they stand', async () => {
    const toy = connectTo()
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B')])
    toy.connection.subscribe([trade('C')])
    toy.say({ type: 'confirmed', symbols: ['C', 'A'] })
    toy.say({ type: 'confirmed', symbols: ['B'] })
    assert.deepEqual(toy.told, ['acknowledged A C', 'acknowledged B'])
  })

  test('of what is no longer wanted are passed over', async () => {
    const toy = connectTo()
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B')])
    toy.connection.unsubscribe([trade('A')])
    toy.say({ type: 'confirmed', id: 1 })
    assert.deepEqual(toy.told, ['acknowledged B'])
  })

  test('that refuse what nobody waits for are counted, and their words are said', async () => {
    const warnings: string[] = []
    const log = { ...silentLog, warn: (_: object, message: string) => warnings.push(message) }
    const toy = connectTo({}, { log })
    await toy.open()
    toy.connection.subscribe([trade('A')])
    toy.say({ type: 'error', id: 8, code: 5, message: 'what?' })
    toy.say({ type: 'confirmed', id: 1 })
    toy.say({ type: 'error', code: 5, message: 'your subscription was dropped' })
    toy.say({ type: 'error', symbols: ['A'], code: 5, message: 'no A any more' })
    // Once more the same: counted, and not said again.
    toy.say({ type: 'error', symbols: ['A'], code: 5, message: 'no A any more' })
    const unknown = 'unknown an error about no open request'
    assert.deepEqual(toy.told, [
      ...[unknown, 'events 1', 'acknowledged A'],
      ...[unknown, 'events 1', unknown, 'events 1', unknown],
    ])
    const words = ['what?', 'your subscription was dropped', 'no A any more']
    assert.deepEqual(
      warnings.map(text => text.split(': ')[1]),
      words,
    )
    for (const [i, event] of toy.events.entries()) {
      assert.ok(event.type === 'notice' && event.symbol === undefined)
      const { notice, code, message } = event
      assert.deepEqual([notice, code], ['rejected', 'UNKNOWN_SYMBOL'])
      assert.ok(message.endsWith(words[i]!))
    }
    await toy.connection.close()
  })

  test('a refusal that names topics takes these and no others', async () => {
    const toy = connectTo()
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B'), trade('C')])
    toy.say({ type: 'error', id: 1, symbols: ['B'], name: 'UNKNOWN', message: 'no B' })
    toy.say({ type: 'confirmed', id: 1, symbols: ['A', 'B', 'C'] })
    assert.deepEqual(toy.told, ['rejected B: UNKNOWN_SYMBOL', 'acknowledged A C'])
    assert.equal(toy.sent.length, 1, 'nothing is asked again')
  })

  test('a refusal that names none is tracked down by halves, each under its own id', async () => {
    const toy = connectTo()
    await toy.open()
    toy.connection.subscribe(['A', 'B', 'C', 'D'].map(trade))
    toy.say({ type: 'error', id: 1, code: 5, message: 'one of them' })
    assert.deepEqual(toy.sent, ['1 add A B C D', '2 add A B', '3 add C D'])
    toy.say({ type: 'confirmed', id: 3 })
    toy.say({ type: 'error', id: 2, code: 5, message: 'one of them' })
    toy.say({ type: 'confirmed', id: 4 })
    toy.say({ type: 'error', id: 5, code: 5, message: 'no B' })
    assert.deepEqual(toy.told, ['acknowledged C D', 'acknowledged A', 'rejected B: UNKNOWN_SYMBOL'])
  })

  test('an error that is no answer ends the connection with its reason', async () => {
    const toy = connectTo()
    await toy.open()
    toy.say({ type: 'error', code: 9, message: 'out of order' })
    await toy.clock.advance(2_000)
    assert.equal((await toy.connection.ended)?.code, 'VENUE_ERROR')
  })
})

describe('a venue whose messages name all there is to be', () => {
  const whole = (topics: readonly Topic[]) => ({
    frame: (id: number, granted = (): readonly Topic[] => []) =>
      `${id} set ${names([...granted(), ...topics])}`,
    topics,
  })
  const replacing: Partial<WebSocketDescription> = {
    ...{ replaces: true, serialMs: 4_000 },
    subscribe: topics => [whole(topics)],
    unsubscribe: () => [{ ...whole([]), topics: [] }],
  }

  test('is told what it has granted, not what it has refused or not answered', async () => {
    const toy = connectTo(replacing)
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B')])
    toy.connection.subscribe([trade('C')])
    assert.deepEqual(toy.sent, ['1 set A B'])
    toy.say({ type: 'confirmed', id: 1 })
    assert.deepEqual(toy.sent.slice(1), ['2 set A B C'])
    toy.say({ type: 'error', id: 2, code: 5, message: 'no C' })
    // Whatever it has made of that message, this one it has granted before.
    assert.deepEqual(toy.sent.slice(2), ['3 set A B'])
    toy.connection.subscribe([trade('D'), trade('E')])
    toy.say({ type: 'error', id: 4, code: 5, message: 'one of them' })
    toy.say({ type: 'confirmed', id: 5 })
    toy.say({ type: 'error', id: 6, code: 5, message: 'no E' })
    assert.deepEqual(toy.sent.slice(3), [
      '4 set A B D E',
      '5 set A B D',
      '6 set A B D E',
      '7 set A B D',
    ])
    assert.deepEqual(toy.told, [
      ...['acknowledged A B', 'rejected C: UNKNOWN_SYMBOL'],
      ...['acknowledged D', 'rejected E: UNKNOWN_SYMBOL'],
    ])
  })

  test('may be full, and is not asked for more', async () => {
    const refusal = new TickwireError('SYMBOL_LIMIT', 'one symbol is all')
    const toy = connectTo({
      ...replacing,
      subscribe: (topics, held) => {
        const fits = topics.filter(topic => held.indexOf(topic) < 1)
        const rest = topics.filter(topic => !fits.includes(topic))
        return [...(fits.length > 0 ? [whole(fits)] : []), { frame: '', topics: rest, refusal }]
      },
    })
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B')])
    toy.connection.subscribe([trade('C')])
    toy.say({ type: 'confirmed', id: 1 })
    assert.deepEqual(toy.sent, ['1 set A'])
    assert.deepEqual(toy.told, [
      ...['rejected B: SYMBOL_LIMIT', 'rejected C: SYMBOL_LIMIT', 'acknowledged A'],
    ])
  })
})

describe('pings', () => {
  /** When pings left, in seconds of the connection; `answer` is called with each. */
  async function pinging(
    ping: WebSocketDescription['ping'],
    seconds: number,
    answer: (socket: ScriptedSocket, ping: number) => void = socket => socket.pong(),
  ) {
    const toy = connectTo({ ping })
    await toy.open()
    const [start, times]: [number, number[]] = [toy.clock.now() - 1, []]
    let end: string | undefined
    void toy.connection.ended.then(reason => {
      if (reason) end = `${reason.code} ${Math.round((toy.clock.now() - start) / 1_000)}`
    })
    let seen = 0
    for (let i = 0; i < seconds * 10; i++) {
      await toy.clock.advance(100)
      const { sent, pings } = toy.net.last
      for (const now = sent.length + pings; seen < now; seen++) {
        times.push(Math.round((toy.clock.now() - start) / 100) / 10)
        answer(toy.net.last, times.length)
      }
    }
    await toy.connection.close()
    assert.equal(toy.clock.pending(), 0)
    return { times, end }
  }

  test('leave every so often, however long an answer may take', async () => {
    for (const [everyMs, timeoutMs] of [
      ...[
        [3_000, 3_000],
        [3_000, 500],
        [3_000, 10_000],
      ],
    ] as const) {
      for (const frame of [undefined, 'ping']) {
        const { times, end } = await pinging({ everyMs, timeoutMs, ...(frame && { frame }) }, 13)
        assert.deepEqual(times, [3, 6, 9, 12], `${timeoutMs} ${frame}`)
        assert.equal(end, undefined)
      }
    }
  })

  test('that go unanswered end it when the first of them has had its time', async () => {
    const mute = () => {}
    const { times, end } = await pinging({ everyMs: 3_000, timeoutMs: 10_000 }, 20, mute)
    assert.deepEqual([times, end], [[3, 6, 9, 12], 'MUTE 13'])
    const brief = await pinging({ everyMs: 5_000, timeoutMs: 2_000 }, 20, mute)
    assert.deepEqual([brief.times, brief.end], [[5], 'MUTE 7'])
    const same = await pinging({ everyMs: 3_000, timeoutMs: 3_000 }, 20, mute)
    assert.deepEqual([same.times, same.end], [[3], 'MUTE 6'])
  })

  test('are each waited for anew once one has been answered', async () => {
    const twice = (socket: ScriptedSocket, ping: number) => {
      if (ping <= 2) socket.pong()
    }
    const { end } = await pinging({ everyMs: 3_000, timeoutMs: 10_000 }, 30, twice)
    // The third leaves after 9 s.
    assert.equal(end, 'MUTE 19')
  })
})

test('a ping written as a message is answered at once', async () => {
  const toy = connectTo({ pace: { messages: 1, perMs: 1_000 } })
  await toy.open()
  toy.connection.subscribe([trade('A')])
  toy.say({ type: 'reply', frame: 'pong 5' })
  assert.deepEqual(toy.sent, ['1 add A', 'pong 5'])
})

describe('pace', () => {
  test('requests beyond it wait; no window of the venue ever sees more', async () => {
    const toy = connectTo({ pace: { messages: 3, perMs: 1_000 } })
    await toy.open()
    const times: number[] = []
    toy.net.last.onSent = () => times.push(toy.clock.now())
    for (const symbol of 'ABCDEFGH') toy.connection.subscribe([trade(symbol)])
    await toy.clock.advance(1)
    assert.equal(toy.sent.length, 3)
    await toy.clock.advance(1_000)
    assert.equal(toy.sent.length, 6)
    await toy.clock.advance(1_000)
    assert.deepEqual(
      toy.sent,
      [...'ABCDEFGH'].map((symbol, i) => `${i + 1} add ${symbol}`),
    )
    for (const [i, time] of times.entries()) {
      if (i >= 3) assert.ok(time - times[i - 3]! >= 1_000, `message ${i}`)
    }
  })

  test('greeting, pings and replies count, and wait for nothing', async () => {
    const toy = connectTo({
      pace: { messages: 2, perMs: 10_000 },
      ping: { everyMs: 2_000, timeoutMs: 1_000, frame: 'ping' },
    })
    await toy.open()
    toy.connection.subscribe([trade('A')])
    await toy.clock.advance(2_500)
    toy.connection.subscribe([trade('B')])
    toy.say({ type: 'reply', frame: 'pong' })
    assert.deepEqual(toy.sent, ['1 add A', 'ping', 'pong'])
  })

  test('what waits is not asked for twice, and what is let go meanwhile is asked for again', async () => {
    const toy = connectTo({ pace: { messages: 1, perMs: 1_000 } })
    await toy.open()
    toy.connection.subscribe([trade('A')])
    toy.connection.subscribe([trade('B')])
    toy.connection.subscribe([trade('B')])
    toy.connection.unsubscribe([trade('B')])
    toy.connection.subscribe([trade('B')])
    await toy.clock.advance(10_000)
    assert.deepEqual(toy.sent, ['1 add A', '2 add B', '3 drop B', '4 add B'])
  })

  test('a connection that ends leaves no timer', async () => {
    const toy = connectTo({ pace: { messages: 1, perMs: 60_000 }, serialMs: 1_000 })
    await toy.open()
    for (const symbol of 'ABC') toy.connection.subscribe([trade(symbol)])
    toy.net.last.end()
    await toy.connection.ended
    assert.equal(toy.clock.pending(), 0)
  })
})

describe('one request at a time', () => {
  const serial = { serialMs: 2_000 }

  test('the next leaves when all topics of the one before are answered', async () => {
    const toy = connectTo(serial)
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B')])
    toy.connection.subscribe([trade('C')])
    assert.deepEqual(toy.sent, ['1 add A B'])
    toy.say({ type: 'confirmed', symbols: ['A'] })
    assert.equal(toy.sent.length, 1)
    toy.say({ type: 'confirmed', symbols: ['B'] })
    assert.deepEqual(toy.sent, ['1 add A B', '2 add C'])
  })

  test('a refusal that names nothing is of the one in flight', async () => {
    const toy = connectTo(serial)
    await toy.open()
    toy.connection.subscribe([trade('A')])
    toy.connection.subscribe([trade('B')])
    toy.say({ type: 'error', code: 5, message: 'not authorized' })
    toy.say({ type: 'confirmed', symbols: ['B'] })
    assert.deepEqual(toy.told, ['rejected A: UNKNOWN_SYMBOL', 'acknowledged B'])
  })

  test('what stays unanswered holds up nobody; named late, it counts after all', async () => {
    const toy = connectTo(serial)
    await toy.open()
    toy.connection.subscribe([trade('A'), trade('B')])
    toy.connection.subscribe([trade('C')])
    toy.say({ type: 'confirmed', symbols: ['A'] })
    await toy.clock.advance(2_500)
    assert.deepEqual(toy.told, ['acknowledged A', 'rejected B: VENUE_ERROR'])
    assert.equal(toy.errors[0]?.fatal, false, 'it is asked for again')
    assert.deepEqual(toy.sent, ['1 add A B', '2 add C'])
    toy.say({ type: 'confirmed', symbols: ['B'] })
    assert.equal(toy.told.at(-1), 'acknowledged B')
  })

  test('letting go is waited for by nobody', async () => {
    const toy = connectTo(serial)
    await toy.open()
    toy.connection.unsubscribe([trade('A')])
    toy.connection.subscribe([trade('B')])
    assert.deepEqual(toy.sent, ['1 drop A', '2 add B'])
  })
})

describe('the address', () => {
  test('may be made for each connection, of what it is opened for', async () => {
    const topics = [trade('A'), trade('B')]
    const toy = connectTo(
      { url: async ({ topics }) => `wss://toy.test/?n=${topics.length}&token=secret` },
      { topics },
    )
    await toy.open()
    assert.equal(toy.net.last.request.url, 'wss://toy.test/?n=2&token=secret')
  })

  test('what making it throws ends the attempt as it is', async () => {
    const refusal = new TickwireError('AUTH_FAILED', 'no token for you')
    const toy = connectTo({ url: () => Promise.reject(refusal) })
    await assert.rejects(toy.connecting, error => error === refusal)
    assert.equal(toy.net.sockets.length, 0)
  })

  test('given up while it is made, no connection is opened', async () => {
    const stop = new AbortController()
    let made!: (url: string) => void
    const url = () => new Promise<string>(resolve => (made = resolve))
    const toy = connectTo({ url }, { signal: stop.signal })
    stop.abort()
    made('wss://toy.test/')
    await assert.rejects(toy.connecting, { code: 'CLOSED' })
    assert.equal(toy.net.sockets.length, 0)
  })

  test('one that is none is refused without what may be secret in it', async () => {
    const toy = connectTo({ url: () => 'https://me:secret@toy.test/?token=secret' })
    await assert.rejects(toy.connecting, (error: TickwireError) => {
      assert.equal(error.code, 'BAD_OPTION')
      return !error.message.includes('secret')
    })
  })

  test('a country the venue does not serve is told as that, and is final', async () => {
    const toy = connectTo({}, { accepts: false })
    await toy.clock.advance(1)
    toy.net.last.end({ httpStatus: 451 })
    await assert.rejects(toy.connecting, { code: 'REGION_REFUSED', fatal: true })
  })
})

describe('what is not whole', () => {
  test('is told, and a book is let go and asked for anew', async () => {
    const toy = connectTo()
    await toy.open()
    toy.connection.subscribe([book('A'), trade('A')])
    toy.say({ type: 'confirmed', id: 1 })
    toy.say({ type: 'broken', symbols: ['A'], reason: 'checksum' })
    assert.deepEqual(toy.told, ['acknowledged A A', 'broken A A: checksum'])
    assert.deepEqual(toy.sent, ['1 add A A', '2 drop A', '3 add A'], 'the trades stay')
    toy.say({ type: 'confirmed', id: 3 })
    assert.equal(toy.told.at(-1), 'acknowledged A')
  })

  test('what nobody holds is passed over', async () => {
    const toy = connectTo()
    await toy.open()
    toy.say({ type: 'broken', symbols: ['A'], reason: 'checksum' })
    toy.connection.resync?.(book('A'), 'crossed')
    assert.deepEqual([toy.told, toy.sent], [[], []])
  })

  test('a book that breaks again and again is asked for ever more rarely, and at once when it has held', async () => {
    const toy = connectTo()
    await toy.open()
    toy.connection.subscribe([book('A')])
    const starts: number[] = []
    toy.net.last.onSent = frame => {
      if (String(frame).includes('drop')) starts.push(toy.clock.now())
    }
    const start = toy.clock.now()
    const pass = async (seconds: number, each: () => void) => {
      for (let i = 0; i < seconds * 10; i++) {
        each()
        toy.net.last.pong()
        await toy.clock.advance(100)
      }
    }
    await pass(120, () => toy.connection.resync?.(book('A'), 'crossed'))
    const waits = starts.map((time, i) => Math.round((time - (starts[i - 1] ?? start)) / 1_000))
    assert.deepEqual(waits, [0, 1, 2, 4, 8, 16, 32])
    await pass(200, () => {})
    const before = starts.length
    toy.connection.resync?.(book('A'), 'crossed')
    await toy.clock.advance(1)
    assert.equal(starts.length, before + 1)
    await toy.connection.close()
    assert.equal(toy.clock.pending(), 0)
  })

  test('a venue may have messages of its own for starting anew, of other kinds too', async () => {
    const resubscribe = ({ kind, symbol }: Topic) =>
      kind === 'trade' ? [] : [{ frame: `anew ${kind} ${symbol}`, topics: [] }]
    const toy = connectTo({ resubscribe })
    await toy.open()
    toy.connection.subscribe([book('A'), trade('A'), topicOf('quote', 'A')])
    toy.say({ type: 'broken', symbols: ['A'], reason: 'a number is missing' })
    assert.deepEqual(toy.sent.slice(1), ['anew book A', 'anew quote A'])
    assert.deepEqual(toy.told, ['broken A A A: a number is missing'])
  })

  test('a decoder that knows a better way takes it', async () => {
    const asked: string[] = []
    const toy = connectTo({
      decoder: () => ({ decode: () => {}, resync: topic => asked.push(topic.symbol) }),
    })
    await toy.open()
    toy.connection.subscribe([book('A')])
    toy.connection.resync?.(book('A'), 'crossed')
    assert.deepEqual([asked, toy.sent], [['A'], ['1 add A']])
  })
})

describe('a decoder between frames', () => {
  const event = createEvent({
    ...{ type: 'trade', symbol: 'A', source: 'toy', timestamp: 1, price: 1, size: 1 },
  })
  /** A connection whose decoder is only what it was given. */
  async function withContext() {
    let context!: ConnectionContext
    const toy = connectTo({
      decoder: given => {
        context = given
        return {
          decode: (_frame, _binary, _receivedAt, inbox) => {
            context.control({ type: 'broken', covers: () => true, reason: 'a number is missing' })
            inbox.event(event)
          },
        }
      },
    })
    await toy.open()
    return { toy, context }
  }

  test('hands on events and controls; none when the connection has ended', async () => {
    const { toy, context } = await withContext()
    toy.connection.subscribe([trade('A')])
    context.emit([event], toy.clock.now())
    context.control({ type: 'confirmed', id: 1 })
    assert.deepEqual(toy.told, ['events 1', 'acknowledged A'])
    toy.net.last.end()
    await toy.connection.ended
    context.emit([event], toy.clock.now())
    context.control({ type: 'broken', covers: () => true, reason: 'late' })
    assert.equal(toy.told.length, 2)
  })

  test('can tell of a hole ahead of the events behind it', async () => {
    const { toy } = await withContext()
    toy.connection.subscribe([trade('A')])
    toy.net.last.send('frame')
    assert.deepEqual(toy.told, ['broken A: a number is missing', 'events 1'])
  })

  test('is told the end by its signal, however it comes about', async () => {
    for (const how of ['close', 'cut', 'fault'] as const) {
      const { toy, context } = await withContext()
      assert.equal(context.signal.aborted, false)
      if (how === 'close') void toy.connection.close()
      else if (how === 'cut') toy.net.last.end()
      else context.control({ type: 'error', code: 9, message: 'out of order' })
      await toy.clock.advance(2_000)
      await toy.connection.ended
      assert.equal(context.signal.aborted, true, how)
    }
  })
})
