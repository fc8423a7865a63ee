import { resolve } from 'node:path'
import { TickwireError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { openFeed, type SubscribeRequest } from '../../feed/feed.ts'
import type { Provider } from '../../feed/provider.ts'
import type { MarketEvent } from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import { type Capture, type Captured, openCapture } from '../../tape/capture.ts'
import { playSockets } from '../../tape/capture-sockets.ts'
import { type Config, loadConfig, type Surroundings } from '../config.ts'
import { createLog, say, screenOf } from '../console.ts'
import { type BuildOptions, chooseProvider } from '../providers.ts'
import { Run } from '../run.ts'
import type { ProviderName } from '../schema.ts'
import { summary } from '../summary.ts'
import { bannerOf, conclude, lineWriter, outputOf } from './stream.ts'

/** What stands at the head of a capture that `tickwire capture` makes. */
export interface Origin {
  readonly provider: ProviderName
  /** Of alpaca. */
  readonly feed?: NonNullable<Config['alpaca']['feed']>
  readonly market?: Config['alpaca']['market']
  readonly request: SubscribeRequest
}

export interface FramesFlags {
  readonly json?: boolean
  readonly speed?: number
  readonly frame?: number
  readonly debug?: boolean
}

/** `tickwire frames list`: every frame of a capture, one a line, with its number and time. */
export async function framesList(file: string, _flags: FramesFlags, around: Surroundings) {
  const { read } = await openCapture(resolve(around.cwd, file))
  const run = new Run()
  const output = outputOf(run)
  let number = 0
  for await (const one of read()) {
    if (run.signal.aborted) break
    const time = new Date(one.receivedAt).toISOString()
    const text = describe(one)
    const head = one.type === 'frame' ? `${++number}` : '-'
    await output.put(`${head.padStart(6)}  ${time}  ${one.connection}  ${text}\n`)
  }
  run.done()
  await output.flush()
  return 0
}

function describe(one: Captured): string {
  if (one.type === 'opened') return 'connection opened'
  if (one.type === 'closed') return `connection closed: ${one.code} ${one.reason}`
  return Buffer.from(one.data).toString(one.binary ? 'base64' : 'utf8')
}

/** `tickwire frames play`: a capture through the venue's own adapter, as if it came over the network again. */
export async function framesPlay(file: string, flags: FramesFlags, around: Surroundings) {
  const screen = screenOf(around)
  const capture = await openCapture(resolve(around.cwd, file))
  const config = loadConfig(around)
  const { openSocket, done } = playSockets(capture, flags.speed)
  const provider = providerOf(capture, config, openSocket)
  const { request } = capture.about as unknown as Origin
  const run = new Run()
  const output = outputOf(run)
  const feed = openFeed(provider, { log: createLog(config, around.env), leases: false })
  const banner = bannerOf(provider.capabilities)
  if (banner && (!screen.tty || flags.json)) say(banner)
  const line = lineWriter(screen, flags.json ?? false, banner, request)
  let count = 0
  const startedAt = performance.now()
  feed.on('*', event => {
    if (event.type === 'notice' || run.signal.aborted) return
    count++
    return output.put(line(event))
  })
  feed.subscribe(request).catch(error => run.fail(error))
  done.then(
    // What the last frame brought is still on its way to the output.
    () => setImmediate(() => run.done()),
    error => run.fail(error),
  )
  feed.done.catch(error => run.fail(error))
  const ending = await run.ended
  const stats = feed.stats()
  await feed.close()
  await output.flush()
  const elapsedMs = performance.now() - startedAt
  const dropped = stats.readers.reduce((sum, reader) => sum + reader.dropped, 0)
  const summarize = () => summary('events', count, elapsedMs, stats, dropped)
  return conclude(ending, flags.debug ?? false, summarize, output)
}

/**
 * `tickwire frames fixture`: one frame with the events it decodes to, as JSON: a test's input and what it expects.
 */
export async function framesFixture(file: string, flags: FramesFlags, around: Surroundings) {
  const capture = await openCapture(resolve(around.cwd, file))
  const wanted = flags.frame ?? 1
  const found = await findFrame(capture, file, wanted)
  const { frame } = found
  const config = loadConfig(around)
  const events = await decode(capture, config, createLog(config, around.env), found)
  const { provider, market, feed } = capture.about as unknown as Origin
  const bytes = Buffer.from(frame.data)
  const fixture = {
    ...{ provider, market, feed, receivedAt: frame.receivedAt },
    ...(frame.binary ? { base64: bytes.toString('base64') } : { text: bytes.toString() }),
    events: events.map(event => JSON.parse(encodeEvent(event)) as unknown),
  }
  const run = new Run()
  const output = outputOf(run)
  output.put(`${JSON.stringify(fixture, undefined, 2)}\n`)
  await output.flush()
  run.done()
  return 0
}

type CapturedFrame = Captured & { readonly type: 'frame' }

interface Found {
  readonly frame: CapturedFrame
  /** Its place among everything captured, from 0. */
  readonly index: number
}

async function findFrame(capture: Capture, file: string, wanted: number): Promise<Found> {
  let number = 0
  let index = 0
  for await (const one of capture.read()) {
    if (one.type === 'frame' && ++number === wanted) return { frame: one, index }
    index++
  }
  throw new TickwireError('BAD_OPTION', `${file} has ${number} frames, and no number ${wanted}`, {
    hint: '`tickwire frames list` shows them.',
  })
}

/** What the venue's adapter makes of a frame, behind everything that came before it on its connection. */
async function decode(
  capture: Capture,
  config: Config,
  log: Log,
  { frame, index }: Found,
): Promise<MarketEvent[]> {
  const upTo = async function* (): AsyncGenerator<Captured> {
    let at = 0
    for await (const one of capture.read()) {
      if (one.connection === frame.connection) yield { ...one, connection: 1 }
      if (at++ === index) return
    }
  }
  const { openSocket, done } = playSockets({ about: capture.about, read: upTo })
  const provider = providerOf(capture, config, openSocket)
  const { request } = capture.about as unknown as Origin
  const feed = openFeed(provider, { log, leases: false })
  let events: MarketEvent[] = []
  feed.raw(() => {
    events = []
  })
  feed.pipe({
    append: batch => {
      events.push(...batch.filter(event => event.type !== 'notice'))
    },
  })
  void feed.subscribe(request)
  await done
  await feed.close()
  return events
}

/** The provider a capture is of, on what was captured. */
function providerOf(
  { about }: Capture,
  config: Config,
  openSocket: NonNullable<BuildOptions['openSocket']>,
): Provider {
  const { provider: name, market = 'stocks', feed } = about as unknown as Origin
  // Nobody is there to ask for a key.
  const alpacaKeys = { key: 'CAPTURE', secret: 'CAPTURE' }
  const vendorKeys = { polygon: 'CAPTURE', openalgo: 'CAPTURE', alltick: 'CAPTURE' }
  const settings = {
    ...config,
    provider: name,
    alpacaKeys,
    vendorKeys,
    alpaca: { market, feed, url: undefined },
  }
  const { provider } = chooseProvider(settings, { openSocket })
  return {
    ...provider,
    capabilities: { ...provider.capabilities, nature: 'replayed', waits: true },
  }
}
