import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { ERRORS } from '../../src/base/errors.ts'
import { openHttp } from '../../src/base/http-network.ts'
import { type DoctorFlags, examine } from '../../src/cli/doctor/examine.ts'
import { CHECKS, type Finding } from '../../src/cli/doctor/finding.ts'
import { asked, timed } from '../../src/cli/doctor/venue.ts'
import { createEvent } from '../../src/market/events.ts'
import { alpacaCheck } from '../../src/providers/alpaca/check.ts'
import { handClock } from '../../src/testing/clock.ts'
import type { FaultOptions } from '../../src/testing/faults.ts'
import { type ScriptedVenueOptions, scriptedVenue } from '../../src/testing/venue-scripted.ts'
import { tempFolder } from '../tape/kit.ts'
import { cli, lines } from './child.ts'

/** A Monday on which the US market is open, and the Sunday before. */
const OPEN = Date.UTC(2025, 5, 2, 15)
const CLOSED = Date.UTC(2025, 5, 1, 15)
const KEYS = { APCA_API_KEY_ID: 'PKTEST', APCA_API_SECRET_KEY: 's3cret-s3cret' }
const ACCOUNTS = { PKTEST: 's3cret-s3cret' }

interface Run {
  readonly env?: Record<string, string>
  readonly words?: readonly string[]
  readonly flags?: Partial<DoctorFlags>
  readonly clock?: Clock
  readonly cwd?: string
  readonly signal?: AbortSignal
  /** Called with each finding before the next thing is looked at. */
  readonly found?: (finding: Finding) => void
}

async function look(t: TestContext, options: Run): Promise<Finding[]> {
  const { env = {}, words = [], found, clock = handClock(OPEN) } = options
  const around = { argv: [], env, cwd: options.cwd ?? tempFolder(t) }
  const flags = { wait: 15_000, ...options.flags }
  const findings: Finding[] = []
  const signal = options.signal ?? new AbortController().signal
  for await (const finding of examine(words, flags, around, clock, signal)) {
    findings.push(finding)
    found?.(finding)
  }
  const text = JSON.stringify(findings)
  assert.ok(!text.includes('s3cret') && !text.includes('PKTEST'), 'no key is ever shown')
  for (const { status, next, check } of findings) {
    if (status === 'fail') assert.ok(next, `${check} names a next step`)
  }
  return findings
}

/** A venue on this machine, and the settings that lead to it. */
async function venueFor(t: TestContext, options: ScriptedVenueOptions = {}) {
  let connected = () => {}
  const venue = scriptedVenue({
    clock: systemClock(),
    server: { accounts: ACCOUNTS, slotMs: 0 },
    observe: ({ type }) => {
      if (type === 'connected') connected()
    },
    ...options,
  })
  t.after(() => venue.close())
  const { url } = await venue.listen()
  const env = { ...KEYS, TICKWIRE_ALPACA_URL: `${url}/v2/iex` }
  const arrival = new Promise<void>(resolve => {
    connected = resolve
  })
  const tick = (timestamp: number) =>
    createEvent({
      type: 'trade',
      symbol: 'SPY',
      timestamp,
      price: 590,
      size: 1,
      id: `${timestamp}`,
    })
  return { venue, env, arrival, tick }
}

const statuses = (findings: readonly Finding[]) =>
  Object.fromEntries(findings.map(({ check, status }) => [check, status]))
const only = (findings: readonly Finding[], check: string) =>
  findings.find(finding => finding.check === check)!

const ALL_OK = Object.fromEntries(CHECKS.map(check => [check, 'ok']))

describe('tickwire doctor', () => {
  test('needs no key for the simulated market, and writes JSON for programs', async () => {
    const { code, stdout, stderr } = await cli(['doctor', '-p', 'simulated', '--json'])
    assert.equal(code, 0, stderr)
    const said = lines(stdout).map(line => JSON.parse(line))
    assert.deepEqual(
      said.map(({ type, check, status }) => [type, check, status]),
      [...CHECKS.map(check => ['check', check, 'ok']), ['summary', undefined, undefined]],
    )
    const sums = { type: 'summary', ok: CHECKS.length, warn: 0, fail: 0, skip: 0, exit: 0 }
    assert.deepEqual(said.at(-1), sums)
  })

  test('its help gives times with their unit', async () => {
    const { stdout } = await cli(['doctor', '--help'])
    assert.match(stdout, /--wait <time> +for the first tick, at most \(default: 15s\)/)
  })

  test('tells people what was found, what to do, and how many are well', async () => {
    const env = { ...KEYS, TICKWIRE_ALPACA_URL: 'ws://127.0.0.1:1/v2/iex' }
    const { code, stdout } = await cli(['doctor'], { env })
    assert.equal(code, 5)
    assert.match(stdout, /^ok {4}configuration {2}no file, .*APCA_API_KEY_ID, APCA_API_SECRET_KEY/)
    assert.match(
      stdout,
      /^fail {2}host {11}127\.0\.0\.1:1: connection refused\n {21}→ Check the net/m,
    )
    assert.match(stdout, /^skip {2}first tick {5}the venue is not reached$/m)
    assert.match(stdout, /\n\n4 ok, 1 failed, 5 not looked at\n$/)
    assert.ok(!stdout.includes('s3cret'))
  })

  test('finds all well at a venue that takes the key and ticks, by the proxy or without', async t => {
    const { venue, env, tick } = await venueFor(t)
    const found = ({ check }: Finding) => {
      if (check === 'subscription') setImmediate(() => venue.deliver([tick(OPEN)]))
    }
    const findings = await look(t, { env, found })
    assert.deepEqual(statuses(findings), ALL_OK)
    assert.match(only(findings, 'subscription').found, /^SPY \(trade, quote\) acknowledged in/)
    assert.match(only(findings, 'first tick').found, /^a trade of SPY after 0\.0 s, 0 ms old$/)
    assert.match(
      only(findings, 'account').found,
      /feed iex, 200 requests a minute \(the free plan\)/,
    )
    assert.equal(venue.openConnections(), 0)
    const proxied = await look(t, { env: { ...env, TICKWIRE_NETWORK_PROXY: '127.0.0.1:1' } })
    const { found: says, status } = only(proxied, 'host')
    assert.equal(status, 'fail')
    assert.match(says, /^127\.0\.0\.1:\d+: the proxy 127\.0\.0\.1:1: connection refused$/)
  })

  test('a wrong key is refused once, by REST, and not tried on the stream', async t => {
    const { venue, env } = await venueFor(t)
    const findings = await look(t, { env: { ...env, APCA_API_SECRET_KEY: 's3cret-other' } })
    const { status, code, next } = only(findings, 'account')
    assert.deepEqual([status, code], ['fail', 'AUTH_FAILED'])
    assert.match(next!, /app\.alpaca\.markets/)
    assert.equal(only(findings, 'stream').status, 'skip')
    assert.equal(venue.attempts.length, 0)
  })

  test('a plan that lacks the feed is told by the stream', async t => {
    const free = { secret: 's3cret-s3cret', feeds: ['iex'] as const }
    const { env } = await venueFor(t, { server: { accounts: { PKTEST: free }, slotMs: 0 } })
    const url = env.TICKWIRE_ALPACA_URL.replace('iex', 'sip')
    const settings = { ...env, TICKWIRE_ALPACA_URL: url }
    const findings = await look(t, { env: settings, flags: { feed: 'sip' } })
    const { status, code, next } = only(findings, 'stream')
    assert.deepEqual([status, code], ['fail', 'NOT_ENTITLED'])
    assert.match(next!, /The plan lacks this feed/)
    assert.equal(only(findings, 'subscription').status, 'skip')
  })

  test('a connection taken by another program is told as that', async t => {
    const { env } = await venueFor(t, { faults: [{ fault: 'connection-limit' }] })
    const findings = await look(t, { env })
    const { status, code, next } = only(findings, 'stream')
    assert.deepEqual([status, code], ['fail', 'CONNECTION_LIMIT'])
    assert.equal(ERRORS[code!].exit, 5)
    assert.match(next!, /Another program uses this key/)
  })

  test('a server that takes the connection and says nothing ends the wait for its greeting', async t => {
    const { env, arrival } = await venueFor(t, { faults: [{ fault: 'half-open' }] })
    const clock = handClock(OPEN)
    // How soon the client is there to wait for the greeting is the network's affair.
    let turning: NodeJS.Timeout | undefined
    void arrival.then(() => {
      turning = setInterval(() => clock.turn(1_000), 20)
    })
    const findings = await look(t, { env, clock })
    clearInterval(turning)
    const { status, code, found } = only(findings, 'stream')
    assert.deepEqual([status, code], ['fail', 'HANDSHAKE_TIMEOUT'])
    assert.match(found, /waited 10000 ms for /)
  })

  test('symbols beyond the plan are named; all of them fail, some of them warn', async t => {
    const plan = { symbols: 2 }
    const server = { accounts: ACCOUNTS, slotMs: 0, plan }
    const { env, venue, tick } = await venueFor(t, { server })
    const found = ({ check }: Finding) => {
      if (check === 'subscription') setImmediate(() => venue.deliver([tick(OPEN)]))
    }
    const some = only(await look(t, { env, words: ['SPY,A,B,C'], found }), 'subscription')
    assert.equal(some.status, 'warn')
    assert.match(some.found, /of 8 not, such as .* 405 symbol limit exceeded/)
    assert.match(some.next!, /fewer symbols/)
    const wrong = only(await look(t, { env, words: ['S@Y'] }), 'subscription')
    assert.deepEqual([wrong.status, wrong.code], ['fail', 'BAD_SYMBOL'])
  })

  /** A venue that subscribes and then sends nothing: time goes on once it has. */
  async function silent(t: TestContext, at: number, more: (tick: object) => void = () => {}) {
    const { env, venue, tick } = await venueFor(t)
    const clock = handClock(at)
    const found = ({ check }: Finding) => {
      if (check !== 'subscription') return
      const fault: FaultOptions = { fault: 'mute', for: '1h' }
      venue.inject(fault)
      venue.deliver([tick(at + 1_000)])
      more(venue)
      setImmediate(() => clock.advance(at === CLOSED ? 3_000 : 15_000))
    }
    return only(await look(t, { env, clock, found }), 'first tick')
  }

  test('a stream that is silent while REST has newer data is broken', async t => {
    const { status, code, found } = await silent(t, OPEN)
    assert.deepEqual([status, code], ['fail', 'MUTE'])
    assert.match(found, /^nothing in 15\.0 s, but the venue has newer data .* 2025-06-02T15:00:01/)
  })

  test('while the market is closed it says until when, waits shortly, and offers the test feed', async t => {
    const { status, found, next } = await silent(t, CLOSED)
    assert.equal(status, 'warn')
    assert.equal(found, 'nothing in 3.0 s: US market closed until Mon 09:30 New York')
    assert.match(next!, /`--feed test`/)
  })

  test('a quiet symbol is only worth a warning', async t => {
    const { env } = await venueFor(t)
    const clock = handClock(OPEN)
    const found = ({ check }: Finding) => {
      if (check === 'subscription') setImmediate(() => clock.advance(2_000))
    }
    const findings = await look(t, { env, clock, found, flags: { wait: 2_000 } })
    const { status, found: says, code } = only(findings, 'first tick')
    assert.deepEqual([status, says, code], ['warn', 'nothing in 2.0 s', undefined])
  })

  test('what is set wrong is told first; the rest is not looked at', async t => {
    const cwd = tempFolder(t)
    writeFileSync(join(cwd, '.env'), 'APCA_API_KEY_ID=PKTEST\n')
    const half = await look(t, { env: { APCA_API_KEY_ID: 'PKTEST' }, cwd })
    assert.match(only(half, 'configuration').found, /; \.env sets APCA_API_KEY_ID$/)
    const { code, found } = only(half, 'keys')
    assert.deepEqual(
      [code, found],
      ['MISSING_KEY', 'APCA_API_KEY_ID is set, APCA_API_SECRET_KEY is not'],
    )
    writeFileSync(join(cwd, 'tickwire.config.yaml'), 'providr: alpaca\n')
    const broken = await look(t, { cwd })
    assert.equal(only(broken, 'configuration').code, 'BAD_CONFIG')
    assert.deepEqual(
      broken.map(({ status }) => status),
      ['fail', ...Array(8).fill('skip'), 'ok'],
    )
    const spaces = await look(t, { env: { ...KEYS, APCA_API_SECRET_KEY: 's3cret s3cret' } })
    assert.equal(only(spaces, 'keys').code, 'BAD_KEY')
  })

  test('the name of a provider in the place of a symbol is told, with keys and without', async t => {
    const env = { ...KEYS, TICKWIRE_ALPACA_URL: 'ws://127.0.0.1:1/v2/iex' }
    for (const one of [env, { APCA_API_KEY_ID: 'PKTEST' }]) {
      const { status, next } = only(await look(t, { env: one, words: ['alpaca'] }), 'configuration')
      assert.equal(status, 'warn')
      assert.match(next!, /^alpaca is taken for a symbol; .* `tickwire doctor -p alpaca`\.$/)
    }
    // A share of that name is written as shares are.
    const share = only(await look(t, { env, words: ['IBKR'] }), 'configuration')
    assert.deepEqual([share.status, share.next], ['ok', undefined])
  })

  test('a tape that cannot be written where it is to be', async t => {
    const cwd = tempFolder(t)
    writeFileSync(join(cwd, 'file'), '')
    mkdirSync(join(cwd, 'there'))
    const flags = { provider: 'simulated' } as const
    const clock = systemClock()
    const wrong = await look(t, { cwd, clock, flags: { ...flags, tape: 'file/tape' } })
    const { code, found } = only(wrong, 'disk')
    assert.deepEqual(
      [code, found],
      ['TAPE_UNWRITABLE', 'file/tape cannot be written: not a directory'],
    )
    const right = await look(t, { cwd, clock, flags: { ...flags, tape: 'there/new/tape' } })
    assert.match(only(right, 'disk').found, /can be written, [\d.]+ GB free/)
  })

  test('given up in the middle, it lets go of everything and says no more', async t => {
    const { env, arrival, venue } = await venueFor(t, { faults: [{ fault: 'half-open' }] })
    const control = new AbortController()
    void arrival.then(() => control.abort())
    const findings = await look(t, { env, signal: control.signal })
    assert.equal(findings.at(-1)!.check, 'account')
    while (venue.openConnections() > 0) await new Promise(resolve => setTimeout(resolve, 5))
  })

  test('Ctrl-C ends it with 130', async t => {
    const { env } = await venueFor(t, { faults: [{ fault: 'half-open' }] })
    const { code, stdout, stderr } = await cli(['doctor'], {
      env,
      onOutput: (child, text) => {
        if (/^ok {4}account/m.test(text)) child.kill('SIGINT')
      },
    })
    assert.equal(code, 130, stderr)
    assert.match(stdout, /\n\n5 ok\n$/)
    assert.match(stderr, /stopped before the end/)
  })
})

describe('the clock', () => {
  const at = 1_750_000_000_000
  const trip = (skewMs: number, tripMs = 200) =>
    timed({
      ...{ sentAt: at + skewMs, receivedAt: at + skewMs + tripMs, grants: [], refusal: undefined },
      date: at + tripMs / 2 - 500,
    })

  test('is held against the venue with half the round trip for doubt', () => {
    assert.equal(trip(0).status, 'ok')
    assert.equal(trip(1_050).status, 'ok')
    const ahead = trip(1_200)
    assert.deepEqual(
      [ahead.status, ahead.found],
      ['warn', 'this machine is 1.2 s ahead of the venue, give or take 0.6 s'],
    )
    assert.equal(trip(-4_000, 8_000).status, 'ok')
    const behind = trip(-40_000)
    assert.deepEqual([behind.status, behind.code], ['fail', 'CLOCK_OFF'])
    assert.match(behind.found, /^this machine is 40\.0 s behind the venue/)
    assert.match(behind.next!, /timedatectl/)
  })

  test('of the venue is read from its answer, also from a refusal', async t => {
    let status = 200
    const server = createServer((_request, response) => {
      response.writeHead(status, { date: new Date(Date.now() - 120_000).toUTCString() })
      response.end(status === 200 ? '{"trades":{}}' : '{"message":"forbidden."}')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v2/iex`
    const check = alpacaCheck({ feed: 'iex', key: 'k', secret: 's', url, httpGet: openHttp() })
    for (const [answer, account] of [
      [200, 'ok'],
      [401, 'fail'],
      [500, 'warn'],
    ] as const) {
      status = answer
      const findings = await asked(check, new AbortController().signal)
      assert.deepEqual(statuses(findings), { clock: 'fail', account })
      assert.match(findings[0]!.found, /this machine is (119|120|121)\.\d s ahead of the venue/)
    }
  })
})
