import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { metricsPage } from '../../scripts/metrics-page.ts'
import { Metrics } from '../../src/gateway/metrics.ts'
import { openTestGateway, type TestGateway } from './rest-kit.ts'

let at: TestGateway
before(async () => {
  at = await openTestGateway()
  await at.feed.subscribe({ trades: ['SPY', 'AAPL'] })
  await at.clock.advance(5_000)
})
after(() => at.close())

/** The samples of a text, by name and labels. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map(line => {
      const cut = line.lastIndexOf(' ')
      return [line.slice(0, cut), Number(line.slice(cut + 1))]
    }),
  )
}

const scrape = async () => samplesOf((await at.ask('/metrics')).text)

describe('/metrics', () => {
  it('tells of sources, tape, stores and clients what is so', async () => {
    const samples = await scrape()
    const { events, connects } = at.feed.stats()
    assert.ok(events > 100)
    const expected: Record<string, number> = {
      'tickwire_feed_open{source="simulated"}': 1,
      'tickwire_feed_health{source="simulated",state="live"}': 1,
      'tickwire_feed_health{source="simulated",state="dead"}': 0,
      'tickwire_feed_events_total{source="simulated"}': events,
      'tickwire_feed_connects_total{source="simulated"}': connects,
      'tickwire_feed_topics{source="simulated",state="acknowledged"}': 2,
      tickwire_tape_events_total: at.context.tape.end.seq,
      tickwire_tape_recording: 1,
      'tickwire_store_behind_events{store="embedded"}': 0,
      'tickwire_store_lag_seconds{store="embedded"}': 0,
      'tickwire_gateway_clients{protocol="sse"}': 0,
    }
    for (const [name, value] of Object.entries(expected))
      assert.equal(samples.get(name), value, name)
    assert.ok(samples.get('process_resident_memory_bytes')! > 0)
  })

  it('counts requests by route, never by what was asked', async () => {
    const ask = () => at.ask('/v1/latest?symbols=SPY&kinds=trade')
    const name = 'tickwire_http_requests_total{method="GET",route="/v1/latest",status="200"}'
    const before = (await scrape()).get(name) ?? 0
    await ask()
    await at.ask('/v1/latest/SPY')
    const after = await scrape()
    assert.equal(after.get(name), before + 1)
    assert.equal(
      after.get('tickwire_http_requests_total{method="GET",route="other",status="404"}'),
      1,
    )
    assert.equal(
      after.get('tickwire_http_request_seconds_count{method="GET",route="/v1/latest"}'),
      before + 1,
    )
    assert.ok(![...after.keys()].some(key => key.includes('SPY')))
  })

  it('counts what clients had that have gone', async () => {
    const sent = 'tickwire_gateway_events_sent_total'
    const message = await at.open('/v1/events?symbols=SPY&kinds=trade&from=start')
    let text = ''
    message.on('data', data => {
      text += data
    })
    while (!text.includes('"type":"trade"')) await new Promise(resolve => setTimeout(resolve, 2))
    message.destroy()
    let samples = await scrape()
    while (samples.get('tickwire_gateway_clients{protocol="sse"}') !== 0) samples = await scrape()
    assert.ok(samples.get(sent)! > 10)
    assert.equal((await scrape()).get(sent), samples.get(sent))
  })

  it('is for those who may read', async () => {
    const other = await openTestGateway({ admission: 'keys' })
    const refused = await other.ask('/metrics')
    const key = await other.newKey({ name: 'prometheus', scopes: ['read'] })
    const { status, headers } = await other.ask('/metrics', {
      headers: { authorization: `Bearer ${key}` },
    })
    await other.close()
    assert.equal(refused.status, 401)
    assert.equal(status, 200)
    assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/)
  })
})

describe('the catalogue of metrics', () => {
  it('is what docs/metrics.md says', async () => {
    const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
    assert.equal(page, await metricsPage(), 'run `npm run docs`')
  })

  it('has every metric there is, and each tells what it is', async () => {
    const told = new Map((await new Metrics().catalogue()).map(one => [one.name, one]))
    const text = (await at.ask('/metrics')).text
    const found = [...text.matchAll(/^# TYPE (tickwire_\w+) (\w+)$/gm)]
    assert.equal(found.length, told.size)
    for (const [, name = '', type] of found) assert.equal(told.get(name)?.type, type, name)
    for (const { help, name } of told.values()) assert.ok(help.endsWith('.'), name)
  })

  it('has every metric the dashboards and alarms ask for', async () => {
    const text = (await at.ask('/metrics')).text
    const known = new Set(
      [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    )
    const deploy = new URL('../../deploy/', import.meta.url)
    const files = readdirSync(deploy, { recursive: true, encoding: 'utf8' })
    const asking = files.filter(file => /tickwire\.json$|alarms\.yaml$/.test(file))
    assert.equal(asking.length, 2, files.join())
    for (const file of asking) {
      const asked = readFileSync(new URL(file.replaceAll('\\', '/'), deploy), 'utf8')
      const names = new Set(
        [...asked.matchAll(/\b(?:tickwire|nodejs|process)_[a-z0-9_]+/g)].map(([name]) => name),
      )
      assert.ok(names.size > 3, file)
      for (const name of names) assert.ok(known.has(name), `${file} asks for ${name}`)
    }
  })
})
