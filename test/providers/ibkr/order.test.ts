// What stands in one chunk off the network keeps its order, also beside what TWS says of itself.
import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { openFeed } from '../../../src/feed/feed.ts'
import { ibkr } from '../../../src/providers/ibkr/index.ts'
import { encodeMessage, framed } from '../../../src/testing/fake-tws-wire.ts'
import { NOON } from './kit.ts'
import { memory } from './memory.ts'

test('a trade before the end of an outage is told before the hole', async t => {
  const { clock, venue } = await memory(t)
  let socket: Duplex | undefined
  const openTcp = (address: { host: string; port: number }) => {
    socket = venue.openTcp(address)
    return socket
  }
  const provider = ibkr({ openTcp, clock })
  const feed = openFeed(provider, { clock, log: silentLog, leases: false })
  t.after(() => feed.close())
  const told: string[] = []
  feed.on('*', event => {
    if (event.type === 'notice') told.push(event.notice)
    else told.push(event.type)
  })
  void feed.subscribe({ trades: 'AAPL' })
  await clock.advance(3_000)
  const id = venue.tws.messages.findLast(([kind]) => kind === '97')![1]
  const trade = [99, id, 1, NOON / 1_000 + 3, 190.26, 100, 0, 'NASDAQ', '']
  const notice = (code: number) => [4, 2, -1, code, 'Connectivity', '']
  const chunk = (...messages: (string | number | undefined)[][]) =>
    socket!.push(Buffer.concat(messages.map(fields => framed(encodeMessage(fields)))))
  chunk(notice(1_100))
  await clock.advance(100)
  told.length = 0
  chunk(trade, notice(1_102))
  await clock.advance(100)
  assert.deepEqual(told, ['live', 'trade', 'gap'])
})
