import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { describe, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { createEvent } from '../../src/market/events.ts'
import { parseEvent } from '../../src/market/json.ts'
import { alpacaServer } from '../../src/providers/alpaca/server.ts'
import { startVenue } from '../../src/testing/venue.ts'
import { cli, lines, TICKWIRE } from './child.ts'

const KEYS = { APCA_API_KEY_ID: 'PKTEST', APCA_API_SECRET_KEY: 's3cret-s3cret' }
const number = (text: string | undefined) => Number(text?.replaceAll(',', ''))
const SUMMARY = /^[\d,]+ (events?|frames?) in \d+\.\d s \([\d,]+\/s\), 0 reconnects, 0 dropped$/

describe('tickwire stream', { concurrency: 2 }, () => {
  test('prints exactly --limit events as NDJSON when piped, and everything else to stderr', async () => {
    const args = ['stream', 'spy,tsla', 'BTC-USD', '-p', 'simulated', '--trades', '--quotes']
    const result = await cli([...args, '--rate', 'max', '--limit', '5000'])
    assert.equal(result.code, 0, result.stderr)
    const events = lines(result.stdout).map(parseEvent)
    assert.equal(events.length, 5_000)
    assert.deepEqual([...new Set(events.map(event => event.type))].sort(), ['quote', 'trade'])
    assert.deepEqual([...new Set(events.map(event => event.symbol))].sort(), [
      'BTC/USD',
      'SPY',
      'TSLA',
    ])
    assert.match(result.said[0]!, /^SIMULATED/)
    assert.equal(
      result.said[1],
      'subscribed: SPY, TSLA, BTC/USD (trades, quotes, simulated); waiting',
    )
    assert.match(result.said.at(-1)!, SUMMARY)
    assert.match(result.said.at(-1)!, /^5,000 events/)
  })

  test('makes tickers from trades where the venue has none, and shows trades only when asked', async () => {
    const args = ['stream', 'SPY', '-p', 'simulated', '--rate', '500', '--limit', '8', '--kinds']
    const [alone, both] = await Promise.all([
      cli([...args, 'tickers']),
      cli([...args, 'tickers,trades', '--limit', '200']),
    ])
    assert.deepEqual([alone.code, both.code], [0, 0], alone.stderr)
    const kinds = ({ stdout }: typeof both) => [
      ...new Set(lines(stdout).map(line => parseEvent(line).type)),
    ]
    assert.deepEqual(kinds(alone), ['ticker'])
    assert.deepEqual(kinds(both).sort(), ['ticker', 'trade'])
    assert.ok(lines(alone.stdout).every(line => line.includes('derived')))
  })

  for (const [signal, exit] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`${signal} ends it with a summary and exit code ${exit}`, async () => {
      let sent = false
      const result = await cli(['stream', '-p', 'simulated'], {
        onOutput: child => {
          if (!sent) sent = child.kill(signal)
        },
      })
      assert.equal(result.code, exit, result.stderr)
      assert.match(result.said.at(-1)!, SUMMARY)
      assert.ok(lines(result.stdout).every(line => parseEvent(line).type === 'trade'))
    })
  }

  test('a reader that goes away ends it as if nothing was wrong', async () => {
    const result = await cli(['stream', '-p', 'simulated', '--rate', '5000'], {
      onOutput: child => child.stdout?.destroy(),
    })
    assert.equal(result.code, 0, result.stderr)
    assert.match(result.said.at(-1)!, SUMMARY)
  })

  test('a full disk is one clear line and exit code 1', {
    skip: !existsSync('/dev/full'),
  }, async () => {
    const full = openSync('/dev/full', 'w')
    const result = await cli(['stream', '-p', 'simulated', '--limit', '1'], { stdout: full })
    const help = await cli(['--help'], { stdout: full })
    closeSync(full)
    assert.deepEqual([result.code, help.code], [1, 1])
    const line = 'tickwire: standard output cannot be written: no space left on device'
    assert.equal(result.said.at(-2), line)
    assert.match(result.said.at(-1)!, /^ {2}→ /)
    assert.equal(help.said[0], line)
    assert.doesNotMatch(result.stderr + help.stderr, /\n\s+at /)
  })

  for (const command of ['stream', 'up --no-record']) {
    test(`${command}: with a slow reader, what was not written counts as dropped`, async () => {
      let stuck = false
      // The reader takes the first bytes, then nothing until the end has come.
      const result = await cli(
        [...command.split(' '), '-p', 'simulated', '--rate', '1000000000', '--duration', '2500ms'],
        {
          onOutput: child => {
            if (stuck) return
            stuck = true
            child.stdout!.pause()
            setTimeout(() => child.stdout!.resume(), 3_500)
          },
        },
      )
      assert.equal(result.code, 0, result.stderr)
      const [, shown, dropped] =
        /^([\d,]+) events in .*, ([\d,]+) dropped$/.exec(result.said.at(-1)!) ?? []
      assert.equal(number(shown), lines(result.stdout).length, 'each event it counts was written')
      // The queue in front of the reader holds 131,072; far more came.
      assert.ok(number(dropped) > 131_072, result.stderr)
      const told = /^(\d+) dropped so far: standard output is read too slowly$/m
      assert.match(result.stderr, told, 'and was said while it happened')
    })
  }

  test('--duration ends it, and --raw prints frames', async () => {
    const args = ['stream', '-p', 'simulated', '--raw', '--duration', '1s']
    const result = await cli(args)
    assert.equal(result.code, 0, result.stderr)
    const frames = lines(result.stdout).map(line => JSON.parse(line))
    assert.ok(frames.length > 5)
    assert.ok(frames.every(frame => Array.isArray(frame) && frame[0].type === 'trade'))
    assert.match(result.said.at(-1)!, /^\d+ frames in 1\.\d s/)
  })

  test('with keys and no provider it speaks to alpaca, names the feed, and a silence gets its reason', async () => {
    const venue = await startVenue(alpacaServer({ clock: systemClock() }))
    const env = { ...KEYS, TICKWIRE_ALPACA_URL: `${venue.url}/v2/iex` }
    const quiet = await cli(['stream', 'SPY', 'TSLA', '--duration', '6s'], { env })
    await venue.close()
    assert.equal(quiet.code, 0, quiet.stderr)
    assert.equal(quiet.said[0], 'subscribed: SPY, TSLA (trades, iex); waiting')
    assert.match(quiet.said[1]!, /^nothing for 5 s: US (stocks trade|market)/)
    assert.match(quiet.said[2]!, /^0 events/)
    assert.equal(quiet.stdout, '')
  })

  test('--raw shows what alpaca sends, word for word, in JSON', async () => {
    const venue = await startVenue(alpacaServer({ clock: systemClock() }))
    const env = { ...KEYS, TICKWIRE_ALPACA_URL: `${venue.url}/v2/iex` }
    const fields = { symbol: 'SPY', timestamp: 1_705_329_000_000, price: 1.5, size: 2, id: 3 }
    const trade = createEvent({
      type: 'trade',
      exchange: 'V',
      tape: 'B',
      conditions: ['@'],
      ...fields,
    })
    const telling = setInterval(() => venue.deliver([trade]), 100)
    const result = await cli(['stream', 'SPY', '--raw', '--limit', '5'], { env })
    clearInterval(telling)
    await venue.close()
    assert.equal(result.code, 0, result.stderr)
    const frames = lines(result.stdout)
    assert.equal(frames.length, 5)
    assert.equal(frames[0], '[{"T":"success","msg":"connected"}]')
    assert.match(frames[2]!, /^\[\{"T":"subscription","trades":\["SPY"\]/)
    assert.match(frames[3]!, /^\[\{"T":"t","S":"SPY","i":3,"x":"V","p":1\.5,"s":2/)
    assert.ok(!result.stderr.includes(KEYS.APCA_API_SECRET_KEY))
  })

  test('a refused key exits 4 and says where keys are made', async () => {
    const venue = await startVenue(alpacaServer({ clock: systemClock(), accounts: { other: 'x' } }))
    const env = { ...KEYS, TICKWIRE_ALPACA_URL: `${venue.url}/v2/iex` }
    const result = await cli(['stream', 'SPY', '--debug'], { env })
    await venue.close()
    assert.equal(result.code, 4, result.stderr)
    assert.match(result.stderr, /app\.alpaca\.markets/)
    assert.ok(!result.stderr.includes(KEYS.APCA_API_SECRET_KEY))
  })

  test('a lost connection is said, made again, and counted', async () => {
    const venue = await startVenue(alpacaServer({ clock: systemClock(), slotMs: 0 }))
    const env = { ...KEYS, TICKWIRE_ALPACA_URL: `${venue.url}/v2/iex` }
    let [cut, ended] = [false, false]
    const telling = setInterval(() => {
      const trade = {
        type: 'trade',
        symbol: 'SPY',
        timestamp: Date.now(),
        price: 1,
        size: 1,
      } as const
      venue.deliver([createEvent(trade)])
    }, 50)
    const result = await cli(['stream', 'SPY'], {
      env,
      onOutput: (child, stdout) => {
        if (!cut) venue.cut()
        // Once: a second Ctrl-C leaves at once, without a last line.
        else if (!ended && lines(stdout).length > 5) ended = child.kill('SIGINT')
        cut = true
      },
    })
    clearInterval(telling)
    await venue.close()
    assert.equal(result.code, 130, result.stderr)
    assert.match(result.stderr, /; next attempt (at once|in \d+\.\d s)\n/)
    assert.match(result.stderr, /\nconnected again\n/)
    assert.match(result.said.at(-1)!, /, 1 reconnect, /)
  })
})

test('up writes what it reads from the tape, and without a key it is simulated', async () => {
  const result = await cli(['up', '--limit', '200', '--rate', '2000'])
  assert.equal(result.code, 0, result.stderr)
  const events = lines(result.stdout).map(parseEvent)
  assert.equal(events.length, 200)
  events.slice(1).forEach((event, index) => {
    assert.ok(event.seq! > events[index]!.seq!, 'numbered by the tape, in order')
  })
  assert.match(result.said[0]!, /^SIMULATED/)
  assert.match(result.said[1]!, /tickwire init/)
  assert.ok(result.said.includes('recording to .tickwire/tape'), 'and says where it records')
})

test('help and version go to standard output and are no errors', async () => {
  const [help, version] = await Promise.all([cli(['stream', '--help']), cli(['--version'])])
  assert.equal(help.code, 0)
  for (const word of ['Examples:', 'Exit codes:', '--raw', 'never from flags']) {
    assert.ok(help.stdout.includes(word), word)
  }
  assert.equal(version.code, 0)
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
})

test('a pipe that nobody reads from costs events, and is ended at once by a second Ctrl-C', async () => {
  const args = ['stream', '-p', 'simulated', '--rate', 'max']
  const child = spawn(process.execPath, [...TICKWIRE, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // Its output is never read: the pipe fills up.
  child.stdout.pause()
  let stderr = ''
  child.stderr.on('data', data => {
    stderr += data
  })
  await new Promise(resolve => child.stderr.once('data', resolve))
  const ended = new Promise(resolve => child.on('exit', code => resolve(code)))
  await new Promise(resolve => setTimeout(resolve, 1_000))
  child.kill('SIGINT')
  await new Promise(resolve => setTimeout(resolve, 300))
  child.kill('SIGINT')
  assert.equal(await ended, 130)
  assert.match(stderr, /left at once: what was not written yet is lost\n/)
  child.stdout.destroy()
  child.stderr.destroy()
})
