// Another transport than TCP's own, by the unmodified library.
import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import {
  connectLibrary,
  dropFragment,
  type IBApi,
  loadLibrary,
} from '../../../src/providers/ibkr/library.ts'
import { handClock } from '../../../src/testing/clock.ts'
import { ibkrVenue } from '../../../src/testing/fake-tws-venue.ts'

const ADDRESS = { host: 'tws.test', port: 7_497, clientId: 3, maxReqPerSec: 40 }

/** The library of a version whose insides are others. */
const another = (connect: () => void) => ({ connect }) as unknown as IBApi

test('the library connects through it, greets and is greeted; net.connect is what it was', async () => {
  const { IBApi } = await loadLibrary()
  const clock = handClock()
  const venue = ibkrVenue({ clock })
  const { connect } = net
  const asked: object[] = []
  const ib = new IBApi(ADDRESS)
  connectLibrary(ib, 3, address => {
    asked.push(address)
    return venue.openTcp(address)
  })
  assert.equal(net.connect, connect)
  await clock.advance(1)
  assert.deepEqual(asked, [{ host: 'tws.test', port: 7_497 }])
  assert.deepEqual(
    venue.tws.clients.map(({ clientId }) => clientId),
    ['3'],
  )
  ib.disconnect()
  await clock.advance(1)
  assert.equal(venue.openConnections(), 0)
  await venue.close()
})

test('net.connect is what it was also when the transport throws', async () => {
  const { IBApi } = await loadLibrary()
  const { connect } = net
  const broken = () => {
    throw new Error('no tunnel')
  }
  assert.throws(() => connectLibrary(new IBApi(ADDRESS), 3, broken), /no tunnel/)
  assert.equal(net.connect, connect)
})

test('a version of the library that opens its socket some other way is refused', () => {
  const openTcp = () => assert.fail('nothing is opened')
  const ib = another(() => {})
  assert.throws(() => connectLibrary(ib, 3, openTcp), { code: 'UNSUPPORTED', hint: /openTcp/ })
  // Without the option any version will do, and insides that are not there are left alone.
  connectLibrary(ib, 3, undefined)
  dropFragment(ib)
})
