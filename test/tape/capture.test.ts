import assert from 'node:assert/strict'
import promises, {
  appendFile,
  mkdtemp,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import type { SocketEvents } from '../../src/base/socket.ts'
import { openFeed } from '../../src/feed/feed.ts'
import type { MarketEvent } from '../../src/market/events.ts'
import { encodeEvent } from '../../src/market/json.ts'
import { alpaca } from '../../src/providers/alpaca/index.ts'
import { type Captured, CaptureWriter, openCapture } from '../../src/tape/capture.ts'
import { captureSockets, playSockets } from '../../src/tape/capture-sockets.ts'
import { scriptedSockets } from '../../src/testing/sockets.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tickwire-capture-'))
})
after(() => rm(folder, { recursive: true }))

const clock = systemClock()
const never = (error: Error) => assert.fail(error.message)
const create = (name: string, about = {}) =>
  CaptureWriter.create(join(folder, name), about, clock, never)

async function all(name: string): Promise<Captured[]> {
  const { read } = await openCapture(join(folder, name))
  const found: Captured[] = []
  for await (const one of read()) found.push(one)
  return found
}

const frame = (text: string, receivedAt: number, connection = 1): Captured => ({
  ...{ type: 'frame', connection, receivedAt, binary: false },
  data: Buffer.from(text),
})

test('what was captured is read back as it came, with what its maker said of it', async () => {
  const writer = await create('plain', { provider: 'toy', n: 1 })
  const said: Captured[] = [
    { type: 'opened', connection: 1, receivedAt: 1_700_000_000_000.25 },
    frame('{"a":"ä"}', 1_700_000_000_001.5),
    { ...frame('', 2), binary: true, data: Buffer.from([0, 255, 1]) } as Captured,
    frame('', 3, 2),
    { type: 'closed', connection: 1, receivedAt: 4, code: 1006, reason: 'gone' },
  ]
  for (const one of said) writer.add(one)
  await writer.close()
  assert.deepEqual(await all('plain'), said)
  assert.deepEqual((await openCapture(join(folder, 'plain'))).about, { provider: 'toy', n: 1 })
})

test('many frames are many blocks, and a torn end costs only what stood in it', async () => {
  const writer = await create('many')
  const count = 5_000
  for (let i = 0; i < count; i++) writer.add(frame(`${i} ${'x'.repeat(200)}`, i))
  await writer.close()
  assert.equal((await all('many')).length, count)
  const { size } = await stat(join(folder, 'many'))
  assert.ok(size < count * 100, 'compressed')
  await truncate(join(folder, 'many'), size - 10)
  const rest = await all('many')
  assert.ok(rest.length > 0 && rest.length < count, `${rest.length}`)
  assert.deepEqual(
    rest.map(one => one.receivedAt),
    Array.from({ length: rest.length }, (_, i) => i),
  )
})

test('damage in the middle is an error, not a hole', async () => {
  const writer = await create('damaged')
  for (let i = 0; i < 5_000; i++) writer.add(frame(`${i} ${'x'.repeat(200)}`, i))
  await writer.close()
  const bytes = await readFile(join(folder, 'damaged'))
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(join(folder, 'damaged'), bytes)
  await assert.rejects(all('damaged'), { code: 'TAPE_DAMAGED' })
})

test('what cannot be read at all is told with what the system says', async t => {
  await assert.rejects(openCapture(folder), { code: 'TAPE_DAMAGED', message: /EISDIR/ })
  t.mock.method(promises, 'open', async () => {
    throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
  })
  syncBuiltinESMExports()
  try {
    await assert.rejects(openCapture(folder), { code: 'TAPE_DAMAGED', message: /EACCES/ })
  } finally {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  }
})

test('a file that is there is not written over, and others are told apart from captures', async () => {
  await writeFile(join(folder, 'mine'), 'text')
  await assert.rejects(create('mine'), { code: 'FILE_EXISTS' })
  await assert.rejects(create('none/there'), { code: 'TAPE_UNWRITABLE' })
  await assert.rejects(openCapture(join(folder, 'mine')), { code: 'TAPE_DAMAGED' })
  await assert.rejects(openCapture(join(folder, 'nothing')), { code: 'NO_TAPE' })
  const writer = await create('short')
  await writer.close()
  assert.deepEqual(await all('short'), [])
  await appendFile(join(folder, 'short'), 'garbage')
  assert.deepEqual(await all('short'), [])
})

/** A venue that welcomes, lets in, confirms, and sends trades whose price says which they are. */
function venue() {
  return scriptedSockets(socket => {
    const say = (...messages: object[]) => socket.send(JSON.stringify(messages))
    let asked = 0
    socket.onSent = () => {
      if (asked++ === 0) say({ T: 'success', msg: 'authenticated' })
      else if (asked === 2) {
        say({ T: 'subscription', trades: ['SPY'], quotes: [], bars: [] })
        for (let i = 0; i < 20; i++) say(trade(i * 2), trade(i * 2 + 1))
      }
    }
    socket.open()
    say({ T: 'success', msg: 'connected' })
  })
}

const trade = (i: number) => ({
  ...{ T: 't', S: 'SPY', i, x: 'V', p: 100 + i, s: 1, c: ['@'], z: 'B' },
  t: '2024-01-15T14:30:00.123456789Z',
})
const keys = { key: 'ABCDEFGH', secret: 'secret-of-mine', codec: 'json' } as const

async function eventsOf(openSocket: Parameters<typeof captureSockets>[1] & {}, count: number) {
  const provider = alpaca({ ...keys, openSocket })
  const feed = openFeed(provider, { log: silentLog, leases: false })
  const events: MarketEvent[] = []
  for await (const event of feed.trades('SPY')) {
    events.push(event)
    if (events.length === count) break
  }
  await feed.close()
  return events.map(encodeEvent)
}

test('played again, frames go through the real decoder and give the same events, receive times too', async () => {
  const writer = await create('session')
  const live = await eventsOf(captureSockets(writer, venue().openSocket), 40)
  await writer.close()
  assert.equal(live.length, 40)
  const text = JSON.stringify((await all('session')).map(one => 'data' in one && `${one.data}`))
  assert.doesNotMatch(text, /secret-of-mine/, 'what was sent is not kept')
  const capture = await openCapture(join(folder, 'session'))
  assert.deepEqual(await eventsOf(playSockets(capture).openSocket, 40), live)
  assert.deepEqual(await eventsOf(playSockets(capture, 1_000).openSocket, 40), live)
})

test('each connection made gets the next one captured, and the end is told', async () => {
  const writer = await create('two')
  writer.add({ type: 'opened', connection: 1, receivedAt: 1 })
  writer.add(frame('first', 2, 1))
  writer.add({ type: 'closed', connection: 1, receivedAt: 3, code: 1001, reason: 'restart' })
  writer.add({ type: 'opened', connection: 2, receivedAt: 4 })
  writer.add(frame('second', 5, 2))
  await writer.close()
  const { openSocket, done } = playSockets(await openCapture(join(folder, 'two')))
  const heard: string[] = []
  const events = (name: string): SocketEvents => ({
    opened: () => heard.push(`${name} opened`),
    frame: (data, _binary, at) => heard.push(`${name} ${Buffer.from(data)} ${at}`),
    pong: () => heard.push(`${name} pong`),
    closed: ({ code, reason }) => heard.push(`${name} closed ${code} ${reason}`),
  })
  const request = { url: '', headers: {}, maxFrameBytes: 1, handshakeTimeoutMs: 1 }
  openSocket(request, events('a'), clock)
  openSocket(request, events('b'), clock).ping()
  await done
  heard.sort()
  assert.deepEqual(heard, [
    'a closed 1001 restart',
    'a first 2',
    'a opened',
    'b opened',
    'b pong',
    'b second 5',
  ])
  assert.throws(() => playSockets({ about: {}, read: async function* () {} }, 0), {
    code: 'BAD_OPTION',
  })
})
