// The dashboard as it is built, in a real browser, from a real gateway with a simulated market on a clock turned by hand.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { findChromium } from '../../scripts/services.mjs'
import { openTestGateway, type TestGateway } from '../gateway/rest-kit.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export const noChromium = findChromium().missing ?? false

/** `npm test` builds before it tests; a test run alone must not judge yesterday's page. */
export async function buildWhenStale(): Promise<void> {
  const newest = readdirSync(join(root, 'web'), { recursive: true, encoding: 'utf8' })
    .map(path => statSync(join(root, 'web', path)).mtimeMs)
    .reduce((a, b) => Math.max(a, b))
  const built = join(root, 'dist/web/index.html')
  if (existsSync(built) && statSync(built).mtimeMs >= newest) return
  await build({ configFile: join(root, 'web/vite.config.ts') })
}

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: findChromium().path!, args: ['--no-sandbox'] })

export interface OpenPage {
  readonly page: Page
  readonly kit: TestGateway
  /** What the browser complained of. */
  readonly complaints: string[]
  close(): Promise<void>
}

export interface PageOptions {
  readonly width?: number
  readonly height?: number
  readonly theme?: 'dark' | 'light'
  readonly query?: string
  readonly gateway?: Parameters<typeof openTestGateway>[0]
}

/** What a test that failed has left open would keep the process alive. */
const open = new Set<() => Promise<void>>()

export async function closePages(): Promise<void> {
  await Promise.all([...open].map(close => close()))
}

/** A page that shows a market that moves, for as long as it is open. */
export async function openPage(browser: Browser, options: PageOptions = {}): Promise<OpenPage> {
  const {
    width = 1440,
    height = 900,
    theme = 'dark',
    query = '?watch=SPY,TSLA,AAPL',
    gateway,
  } = options
  const kit = await openTestGateway({ rate: 100, ...gateway })
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', error => complaints.push(error.message))
  page.setDefaultTimeout(60_000)
  // The market's clock goes on while the browser works.
  let turning = Promise.resolve()
  let isTurning = false
  const timer = setInterval(() => {
    // On a slow machine turns must not pile up: whoever closes the page would wait for them all.
    if (isTurning) return
    isTurning = true
    turning = kit.clock.advance(50).then(() => {
      isTurning = false
    })
  }, 50)
  const close = async () => {
    if (!open.delete(close)) return
    await context.close()
    clearInterval(timer)
    await turning
    await kit.close()
  }
  open.add(close)
  await page.goto(kit.gateway.url + query)
  return { page, kit, complaints, close }
}
