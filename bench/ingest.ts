// Socket → one handler, subscriptions checked: CPU time per message of tickwire without repair and tape, of its whole
// engine, of the official client at 3.1.3 and at 4.x, and of ws + JSON.parse, over loopback from one server, one process
// per client, in turn.
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LONG_ROUND, ROUND, sampleEvents } from './data.ts'
import { median, type Row, report, spread } from './table.ts'

const BATCHES = [1, 8, 64]
const OURS = 'tickwire msgpack'
const WHOLE = 'tickwire, the whole engine'
const OFFICIAL = 'alpaca-trade-api 4'
/** Messages per process: enough for a second or more of CPU each. */
const MESSAGES: Record<string, number> = {
  'tickwire msgpack': 2_000_000,
  'tickwire JSON': 2_000_000,
  [WHOLE]: LONG_ROUND,
  'ws + JSON.parse': 800_000,
  'alpaca-trade-api 3': 300_000,
  [OFFICIAL]: 600_000,
}
/** Least ratio over alpaca-trade-api 4 at 1, 8 and 64 messages a frame. */
const BUDGET = [4.5, 6, 7]
const WHOLE_BUDGET = 4

interface Sample {
  readonly ns: number
  readonly trades: number
  readonly quotes: number
  readonly bars: number
  readonly size: number
}

export async function main({
  rounds = 3,
  json,
}: {
  rounds?: number
  json?: string
}): Promise<void> {
  const server = fork(fileURLToPath(new URL('feed-server.js', import.meta.url)), { stdio: 'pipe' })
  server.stderr?.pipe(process.stderr)
  const port = await firstLine(server)
  const rows: Row[] = []
  for (const [index, batch] of BATCHES.entries()) {
    const samples = new Map(Object.keys(MESSAGES).map(name => [name, [] as number[]]))
    for (let round = 0; round < rounds; round++) {
      for (const [name, list] of samples) list.push(run(name, port, batch))
    }
    const budgets = { [OURS]: BUDGET[index]!, [WHOLE]: WHOLE_BUDGET }
    const base = (name: string) => ({
      ...{ name: `${name}, ${batch} a frame`, unit: 'ns/msg', value: median(samples.get(name)!) },
      ...{ spread: spread(samples.get(name)!), rounds },
    })
    for (const [ours, budget] of Object.entries(budgets)) {
      const mine = base(ours)
      rows.push(mine)
      for (const name of Object.keys(MESSAGES)) {
        if (name in budgets) continue
        const peerValue = median(samples.get(name)!)
        const against = { ...mine, peer: name, peerValue, ratio: peerValue / mine.value }
        rows.push(name === OFFICIAL ? { ...against, budget } : against)
      }
    }
  }
  server.disconnect()
  report(rows, json)
}

/** One process; throws when what it received is not what was sent. */
function run(variant: string, port: string, batch: number): number {
  const client = fileURLToPath(new URL('ingest-client.js', import.meta.url))
  const total = MESSAGES[variant]!
  const long = variant === WHOLE ? '&round=long' : ''
  const url = `ws://127.0.0.1:${port}/v2/iex?batch=${batch}${long}`
  const args = [client, variant, url, String(total)]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (status !== 0) throw new Error(`${variant} failed: ${stderr}`)
  const sample = JSON.parse(stdout.trim().split('\n').at(-1)!) as Sample
  const key = variant === WHOLE ? 'whole' : `${total}`
  const seen = `${sample.trades} trades of ${sample.size}, ${sample.quotes} quotes, ${sample.bars} bars`
  expected.set(key, expected.get(key) ?? countSent(total, variant === WHOLE ? LONG_ROUND : ROUND))
  if (seen !== expected.get(key))
    throw new Error(`${variant} saw ${seen}, not ${expected.get(key)}`)
  return sample.ns
}

const expected = new Map<string, string>()

function countSent(total: number, round: number): string {
  const events = sampleEvents(round)
  let [trades, quotes, bars, size] = [0, 0, 0, 0]
  for (let i = 0; i < total; i++) {
    const event = events[i % round]!
    if (event.type === 'trade') {
      trades++
      size += event.size
    } else if (event.type === 'quote') quotes++
    else bars++
  }
  return `${trades} trades of ${size}, ${quotes} quotes, ${bars} bars`
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.once('data', data => resolve(String(data).trim()))
    child.once('exit', code => reject(new Error(`the server ended with ${code}`)))
  })
}
