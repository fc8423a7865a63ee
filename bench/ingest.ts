// Socket → one handler, subscriptions checked: CPU time per message of tickwire, of the official client at 3.1.3 and
// at 4.x, and of ws + JSON.parse, over loopback from one server, one process per client, in turn.
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ROUND, sampleEvents } from './data.ts'
import { median, type Row, report, spread } from './table.ts'

const BATCHES = [1, 8, 64]
/** Messages per process: enough for a second or more of CPU each. */
const MESSAGES: Record<string, number> = {
  'tickwire msgpack': 2_000_000,
  'tickwire JSON': 2_000_000,
  'ws + JSON.parse': 800_000,
  'alpaca-trade-api 3': 300_000,
  'alpaca-trade-api 4': 600_000,
}
/** Least ratio over alpaca-trade-api 4 at 1, 8 and 64 messages a frame. */
const BUDGET = [4.5, 6, 7]

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
    const ours = 'tickwire msgpack'
    for (const [name, list] of samples) {
      const value = median(list)
      const mine = median(samples.get(ours)!)
      const label = `${name}, ${batch} a frame`
      const base = { unit: 'ns/msg', spread: spread(list), rounds }
      if (name === ours) rows.push({ name: label, value, ...base })
      else {
        const budget = name === 'alpaca-trade-api 4' ? { budget: BUDGET[index]! } : {}
        rows.push({
          ...{ name: `${ours}, ${batch} a frame`, value: mine, peer: name, peerValue: value },
          ...{ ratio: value / mine, ...base, ...budget },
        })
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
  const url = `ws://127.0.0.1:${port}/v2/iex?batch=${batch}`
  const args = [client, variant, url, String(total)]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 120_000,
  })
  if (status !== 0) throw new Error(`${variant} failed: ${stderr}`)
  const sample = JSON.parse(stdout.trim().split('\n').at(-1)!) as Sample
  const key = `${total}`
  const seen = `${sample.trades} trades of ${sample.size}, ${sample.quotes} quotes, ${sample.bars} bars`
  expected.set(key, expected.get(key) ?? countSent(total))
  if (seen !== expected.get(key))
    throw new Error(`${variant} saw ${seen}, not ${expected.get(key)}`)
  return sample.ns
}

const expected = new Map<string, string>()

function countSent(total: number): string {
  const events = sampleEvents(ROUND)
  let [trades, quotes, bars, size] = [0, 0, 0, 0]
  for (let i = 0; i < total; i++) {
    const event = events[i % ROUND]!
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
