// What `tickwire doctor` finds at a TWS.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { examine } from '../../../src/cli/doctor/examine.ts'
import { CHECKS, type Finding } from '../../../src/cli/doctor/finding.ts'
import { ibkr } from '../../../src/providers/ibkr/index.ts'
import { type FakeTwsOptions, fakeTws } from '../../../src/testing/fake-tws.ts'
import { tempFolder } from '../../tape/kit.ts'
import { NOON } from './kit.ts'
import { memory } from './memory.ts'

const never = new AbortController().signal

test('TWS is asked the time, by a client id of its own, and says which accounts are logged in', async t => {
  const { provider, settled, venue, clock } = await memory(t, {
    tws: { accounts: 'U1234567,DU7654321,' },
  })
  const answer = await settled(provider.check!.ask(never))
  assert.equal(answer.date, NOON)
  assert.deepEqual(answer.grants, [
    'TWS is logged in with 1 live account and 1 paper account',
    'live data',
    'room for 5 tick-by-tick streams, 100 market data lines, 3 books',
  ])
  assert.equal(answer.refusal, undefined)
  assert.equal(venue.tws.messages.find(([id]) => id === '71')?.[2], '8426')
  assert.equal(venue.tws.messages.filter(([id]) => id === '49').length, 1)
  await clock.advance(10)
  assert.equal(venue.openConnections(), 0)
})

test('a client id that is taken is an answer, a TWS that is not there is none', async t => {
  const { provider, settled, venue } = await memory(t)
  venue.inject({ fault: 'connection-limit' })
  const { refusal, grants } = await settled(provider.check!.ask(never))
  assert.deepEqual([refusal?.code, grants], ['CONNECTION_LIMIT', []])
  venue.inject({ fault: 'half-open' })
  await assert.rejects(settled(provider.check!.ask(never)), { code: 'HANDSHAKE_TIMEOUT' })
  venue.inject({ fault: 'refuse', for: '1m' })
  await assert.rejects(settled(provider.check!.ask(never)), { code: 'UNREACHABLE' })
})

test('its address is one of TCP, also where it is of six', () => {
  assert.deepEqual(ibkr().check!.addresses, ['tcp://127.0.0.1:7497'])
  assert.deepEqual(ibkr({ host: '::1', port: 4_002 }).check!.addresses, ['tcp://[::1]:4002'])
})

async function look(t: TestContext, env: Record<string, string>): Promise<Finding[]> {
  const around = { argv: [], env: { TICKWIRE_PROVIDER: 'ibkr', ...env }, cwd: tempFolder(t) }
  const findings: Finding[] = []
  for await (const one of examine([], { wait: 300 }, around, systemClock(), never)) {
    findings.push(one)
  }
  return findings
}

const of = (findings: readonly Finding[], check: string) =>
  findings.find(finding => finding.check === check)!

async function doctored(t: TestContext, options: FakeTwsOptions = {}) {
  const tws = await fakeTws(options).listen()
  t.after(() => tws.close())
  return { tws, env: { TICKWIRE_IBKR_PORT: String(tws.port) } }
}

test('doctor: a TWS that is well, whatever proxy is set', async t => {
  const { tws, env } = await doctored(t)
  const findings = await look(t, { ...env, TICKWIRE_NETWORK_PROXY: '127.0.0.1:1' })
  assert.deepEqual(
    findings.map(({ check }) => check),
    CHECKS,
  )
  for (const { check, status, found } of findings) {
    if (check !== 'first tick') assert.equal(status, 'ok', `${check}: ${found}`)
  }
  assert.match(of(findings, 'host').found, /^127\.0\.0\.1:\d+ in \d+ ms$/)
  assert.match(of(findings, 'clock').found, /^as the venue's/)
  assert.equal(
    of(findings, 'account').found,
    'TWS is logged in with 1 paper account, live data, room for 5 tick-by-tick streams, 100 market data lines, 3 books',
    'there is no key to be accepted',
  )
  assert.deepEqual(tws.breaches, [])
})

test('doctor: without a TWS it says what to click', async t => {
  const findings = await look(t, { TICKWIRE_IBKR_PORT: '1' })
  const { status, found, next, code } = of(findings, 'host')
  assert.deepEqual([status, code], ['fail', 'UNREACHABLE'])
  assert.match(found, /^127\.0\.0\.1:1: connection refused/)
  assert.match(next!, /Enable ActiveX and Socket Clients/)
  assert.equal(of(findings, 'stream').status, 'skip')
})
