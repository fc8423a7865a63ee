// `npm run bench -- page`: the dashboard in Chromium at 5,000 events a second over 200 symbols: how long frames take, what share of
// the main thread is busy, and whether memory stays where it is. With --minutes 10 for as long as that. Waits between frames grow
// with whatever else the machine does; what the main thread is busy is its own processor time, and does not.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import { build } from 'vite'
import { openApp } from '../src/app/app.ts'
import { silentLog } from '../src/base/log.ts'
import { simulated } from '../src/providers/simulated/index.ts'
import { type Row, report } from './table.ts'

const SYMBOLS = 200
const RATE = 5_000
/** Until the past has been asked for, and code is compiled, ms. */
const WARM_UP_MS = 15_000
/** At most, ms: what sixty pictures a second leave twice over. */
const FRAME_MS = 33.4

/** Waits between frames as the page sees them. */
const COUNT_FRAMES = `
  globalThis.frames_ = []
  let before = performance.now()
  const next = now => { frames_.push(now - before); before = now; requestAnimationFrame(next) }
  requestAnimationFrame(next)`

export async function main({ minutes = 1, json }: { minutes?: number; json?: string }) {
  // From where the compiled gateway looks for it.
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const outDir = fileURLToPath(new URL('../src/web/', import.meta.url))
  await build({
    configFile: join(root, 'web/vite.config.ts'),
    build: { outDir, emptyOutDir: true },
  })
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-bench-page-'))
  const symbols = Array.from({ length: SYMBOLS }, (_, i) => `S${String(i).padStart(3, '0')}`)
  const provider = simulated({ seed: 7, rate: RATE, symbols })
  const app = await openApp({
    feeds: [{ provider }],
    log: silentLog,
    gateway: { port: 0, keys: join(folder, 'keys.json') },
  })
  const browser = await chromium.launch({
    executablePath: process.env.TEST_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  })
  try {
    const page = await browser.newPage({ viewport: { width: 1_920, height: 1_080 } })
    const query = `?watch=${symbols.join(',')}&interval=1s&studies=ema,vwap,rsi`
    await page.goto(app.gateway!.url + query)
    await page.locator('.legend b').first().waitFor({ timeout: 60_000 })
    await wait(WARM_UP_MS)
    const session = await page.context().newCDPSession(page)
    await session.send('Performance.enable', { timeDomain: 'threadTicks' })
    const busy = async () => {
      const { metrics } = await session.send('Performance.getMetrics')
      const of = (name: string) => metrics.find(metric => metric.name === name)!.value
      return {
        all: of('TaskDuration'),
        script: of('ScriptDuration'),
        layout: of('LayoutDuration') + of('RecalcStyleDuration'),
        heap: of('JSHeapUsedSize') / 1_048_576,
      }
    }
    await page.evaluate(COUNT_FRAMES)
    const before = { seq: app.tape.end.seq, at: performance.now(), busy: await busy() }
    const memory: number[] = []
    const heap: number[] = []
    for (let i = 0; i < minutes * 6; i++) {
      await wait(10_000)
      await session.send('HeapProfiler.collectGarbage')
      memory.push(await residentOf(browser))
      heap.push((await busy()).heap)
    }
    const seconds = (performance.now() - before.at) / 1_000
    const after = await busy()
    const share = (what: 'all' | 'script' | 'layout') =>
      ((after[what] - before.busy[what]) / seconds) * 100
    const frames = ((await page.evaluate('frames_')) as number[]).sort((a, b) => a - b)
    const at = (part: number) => frames[Math.floor(part * (frames.length - 1))]!
    const rate = (app.tape.end.seq - before.seq) / seconds
    const third = Math.max(1, Math.floor(memory.length / 3))
    const mean = (list: readonly number[]) => list.reduce((sum, it) => sum + it, 0) / list.length
    const first = (list: readonly number[]) => mean(list.slice(0, third))
    const last = (list: readonly number[]) => mean(list.slice(-third))
    const load = loadavg().map(it => it.toFixed(1))
    console.log(
      `${Math.round(rate)} events/s over ${SYMBOLS} symbols, ${Math.round(seconds)} s, ${availableParallelism()} cores, ` +
        `load ${load.join(', ')}; ${(frames.length / seconds).toFixed(1)} frames/s`,
    )
    const row = (name: string, unit: string, value: number): Row => ({
      ...{ name, unit, value, spread: 0, rounds: 1 },
    })
    report(
      [
        row('between frames, p50', 'ms', at(0.5)),
        {
          ...row('between frames, p95', 'ms', at(0.95)),
          ...{ peer: 'at most', peerValue: FRAME_MS, ratio: FRAME_MS / at(0.95), budget: 1 },
        },
        row('main thread busy', '%', share('all')),
        row('of that, script', '%', share('script')),
        row('of that, style and layout', '%', share('layout')),
        row('memory of the page, first third', 'MB', first(memory)),
        row('memory of the page, last third', 'MB', last(memory)),
        row('heap of its script, first third', 'MB', first(heap)),
        row('heap of its script, last third', 'MB', last(heap)),
      ],
      json,
    )
  } finally {
    await browser.close()
    await app.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Of the process that has page and worker, MB. */
async function residentOf(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  await session.detach()
  const sizes = processInfo
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1] ?? '0')
  return Math.max(...sizes.map(Number)) / 1_024
}
