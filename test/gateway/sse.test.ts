import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { revokeKey } from '../../src/gateway/keys.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { encodeEvent, parseEvent } from '../../src/market/json.ts'
import { openTestGateway, type TestGateway } from './rest-kit.ts'

let at: TestGateway
beforeEach(async () => {
  at = await openTestGateway()
})
afterEach(() => at.close())

interface Message {
  readonly event: string
  readonly id: string | undefined
  readonly data: string
}

/** Reads messages as a browser does. */
class Source {
  readonly messages: Message[] = []
  readonly message: IncomingMessage
  isOver = false
  #text = ''

  constructor(message: IncomingMessage) {
    this.message = message
    message.setEncoding('utf8')
    message.on('data', (text: string) => this.#take(text))
    const over = () => {
      this.isOver = true
    }
    message.on('end', over)
    message.on('error', over)
  }

  of(event: string): Message[] {
    return this.messages.filter(one => one.event === event)
  }

  get events(): MarketEvent[] {
    return this.of('message').map(one => parseEvent(one.data))
  }

  #take(text: string): void {
    const blocks = (this.#text + text).split('\n\n')
    this.#text = blocks.pop()!
    for (const block of blocks) {
      const fields = block
        .split('\n')
        .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])
      const find = (name: string) => fields.find(([field]) => field === name)?.[1]
      const data = find('data')
      if (data !== undefined)
        this.messages.push({ event: find('event') ?? 'message', id: find('id'), data })
    }
  }
}

/** Turns the clock until something is so: sockets have their own time. */
async function until(isSo: () => boolean, ms = 10): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (isSo()) return
    await new Promise(resolve => setTimeout(resolve, 2))
    if (ms > 0) await at.clock.advance(ms)
  }
  assert.fail(`it never came to that: ${isSo}`)
}

const listen = async (query: string, headers: Record<string, string> = {}) =>
  new Source(await at.open(`/v1/events?${query}`, { headers }))

async function tapeBehind(seq: number, to: number, symbol: string): Promise<string[]> {
  const lines: string[] = []
  const from = { tape: at.context.tape.id, seq }
  for await (const batch of at.context.tape.read({ from, live: false })) {
    for (const event of batch) {
      const isMeant = event.symbol === symbol && ['trade', 'quote'].includes(event.type)
      if (isMeant && event.seq! <= to) lines.push(encodeEvent(event))
    }
  }
  return lines
}

describe('an event stream', () => {
  it('begins with what the data is and how things stand, then everything in order', async () => {
    await at.feed.subscribe({ trades: 'SPY', quotes: 'SPY' })
    await at.clock.advance(1_000)
    const source = await listen('symbols=spy')
    await until(() => source.events.length > 50)
    const [hello] = source.messages
    assert.equal(hello?.event, 'hello')
    const { nature, tape, seq } = JSON.parse(hello.data)
    assert.deepEqual(
      [nature, tape],
      ['SIMULATED: invented prices, not real ones', at.context.tape.id],
    )
    assert.equal(source.message.headers['tickwire-nature'], nature)
    assert.deepEqual(
      source
        .of('snapshot')
        .map(one => parseEvent(one.data).type)
        .sort(),
      ['quote', 'trade'],
    )
    const last = source.events.at(-1)!.seq!
    assert.deepEqual(source.events.map(encodeEvent), await tapeBehind(seq, last, 'SPY'))
    source.message.destroy()
  })

  it('asks the venue for what nobody had asked for, and lets go of it a while after', async () => {
    const source = await listen('symbols=TSLA&kinds=trade&snapshot=false')
    await until(() => source.events.length > 3)
    assert.ok(source.events.every(event => event.symbol === 'TSLA' && event.type === 'trade'))
    assert.equal(at.gateway.inside.upstream.size, 1)
    source.message.destroy()
    await until(() => at.gateway.inside.upstream.size === 0, 1_000)
  })

  it('goes on behind the last event a browser has, without hole or repeat', async () => {
    const all: string[] = []
    let last = ''
    let first = 0
    for (let round = 0; round < 4; round++) {
      const source: Source = await listen('symbols=SPY', last ? { 'last-event-id': last } : {})
      await until(() => source.events.length > 20)
      const { seq } = JSON.parse(source.messages[0]!.data)
      if (round === 0) first = seq
      // It stops in the middle of anything.
      const got = source.of('message').slice(0, 7 + 3 * round)
      all.push(...got.map(one => encodeEvent(parseEvent(one.data))))
      last = got.at(-1)!.id!
      source.message.destroy()
      await at.clock.advance(300)
    }
    const to = Number(last.split(':')[1])
    assert.deepEqual(all, await tapeBehind(first, to, 'SPY'))
  })

  it('says so when it cannot go on there', async () => {
    const source = await listen('symbols=SPY', { 'last-event-id': 'another-tape:5' })
    await until(() => source.of('notice').length > 0)
    assert.match(source.of('notice')[0]!.data, /"notice":"reset".*position is of another tape/)
    source.message.destroy()
  })

  it('that is refused says why, and counts no more', async () => {
    await at.close()
    at = await openTestGateway({ quotas: { connections: 1 } })
    const wrong: [query: string, headers: Record<string, string>, code: string][] = [
      ['symbols=SPY', { 'last-event-id': 'nonsense' }, 'BAD_POSITION'],
      ['symbols=SPY', { 'last-event-id': `${at.context.tape.id}:999999` }, 'BAD_POSITION'],
      ['symbols=SPY&from=yesterday', {}, 'BAD_OPTION'],
      ['symbols=NOPE', {}, 'UNKNOWN_SYMBOL'],
      ['symbols=SPY&kinds=news', {}, 'UNSUPPORTED'],
      ['symbols=SPY&kinds=notice', {}, 'BAD_OPTION'],
      ['kinds=trade', {}, 'BAD_OPTION'],
    ]
    for (const [query, headers, code] of wrong) {
      const { json } = await at.ask(`/v1/events?${query}`, { headers })
      assert.equal(json.error.code, code, query)
    }
    assert.equal(at.gateway.inside.upstream.size, 0)
    const source = await listen('symbols=SPY')
    assert.equal(source.message.statusCode, 200)
    source.message.destroy()
  })

  it('opens by a token once, and ends when its key is revoked, with the reason', async () => {
    await at.close()
    at = await openTestGateway({ admission: 'keys' })
    const key = await at.newKey({ name: 'page', quotas: { connections: 1, symbols: 2 } })
    const refused = await at.ask('/v1/events?symbols=SPY')
    assert.deepEqual([refused.status, refused.json.error.code], [401, 'KEY_REQUIRED'])
    const authorization = `Bearer ${key}`
    const token = async () =>
      (await at.ask('/v1/tokens', { method: 'POST', headers: { authorization } })).json.token
    const word = await token()
    const source = await listen(`symbols=SPY&token=${word}`)
    await until(() => source.events.length > 0)
    const again = await at.ask(`/v1/events?symbols=SPY&token=${word}`)
    assert.deepEqual([again.status, again.json.error.code], [401, 'KEY_REFUSED'])
    const second = await at.ask(`/v1/events?symbols=SPY&token=${await token()}`)
    assert.deepEqual([second.status, second.json.error.code], [429, 'QUOTA_EXCEEDED'])
    await revokeKey(at.keysPath, 'page', at.clock)
    await until(() => source.isOver, 100)
    const { code, message } = JSON.parse(source.of('end')[0]!.data)
    assert.equal(code, 'KEY_REFUSED')
    assert.match(message, /the key page was revoked/)
  })

  it('has as many symbols as its key may have', async () => {
    const key = await at.newKey({ name: 'small', quotas: { symbols: 2 } })
    const headers = { authorization: `Bearer ${key}` }
    const { status, json } = await at.ask('/v1/events?symbols=SPY,AAPL,TSLA', { headers })
    assert.deepEqual([status, json.error.code], [429, 'QUOTA_EXCEEDED'])
    assert.match(json.error.message, /3 symbols, and small may have 2/)
    const source = await listen('symbols=SPY,AAPL', headers)
    assert.equal(source.message.statusCode, 200)
    source.message.destroy()
  })

  it('says something now and then, and goodbye when the gateway ends', async () => {
    const source = await listen('symbols=SPY&kinds=luld')
    let raw = ''
    source.message.on('data', (text: string) => {
      raw += text
    })
    await until(() => raw.includes(': still here'), 5_000)
    const closing = at.gateway.close()
    await until(() => source.isOver)
    await closing
    const { code, retryable } = JSON.parse(source.of('end')[0]!.data)
    assert.deepEqual([code, retryable], ['CONNECTION_LOST', true])
  })

  it('costs a client that reads nothing only its own place, and cuts it off after a minute', async () => {
    await at.close()
    const warned: string[] = []
    const log = { ...silentLog, warn: (fields: object) => warned.push(JSON.stringify(fields)) }
    at = await openTestGateway({ rate: 5_000, log })
    const metric = async (line: string) => (await at.ask('/metrics')).text.includes(`${line}\n`)
    const slow = await at.open('/v1/events?symbols=*')
    slow.pause()
    slow.on('error', () => {})
    const quick = await listen('symbols=SPY&kinds=trade')
    // The socket takes some megabytes before it is full.
    for (let i = 0; i < 200 && !(await metric('tickwire_gateway_slow_clients 1')); i++) {
      await at.clock.advance(200)
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    const { length } = quick.events
    await until(() => quick.events.length > length + 100)
    await at.feed.close()
    for (let i = 0; i < 6; i++) {
      assert.ok(await metric('tickwire_gateway_clients{protocol="sse"} 2'))
      await at.clock.advance(10_000)
    }
    await at.clock.advance(30_000)
    assert.ok(await metric('tickwire_gateway_clients{protocol="sse"} 1'))
    assert.match(warned.join(), /anonymous reads nothing of its events/)
    assert.ok(!quick.isOver)
    quick.message.destroy()
    slow.destroy()
  })
})
