import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Browser } from 'playwright-core'
import { openApp } from '../../src/app/app.ts'
import { silentLog } from '../../src/base/log.ts'
import { createEvent, type MarketEvent } from '../../src/market/events.ts'
import { replay } from '../../src/providers/replay/index.ts'
import { memoryTape } from '../../src/tape/memory.ts'
import { handClock } from '../../src/testing/clock.ts'
import { buildWhenStale, noChromium, openBrowser } from './page-kit.ts'

const START = Date.UTC(2025, 5, 2, 14, 30)

/** A trade each tenth of a second, each a cent above the one before. */
function recorded(count: number): MarketEvent[] {
  return Array.from({ length: count }, (_, i) => {
    const at = START + i * 100
    const about = { type: 'trade', symbol: 'SPY', source: 'venue', timestamp: at } as const
    return createEvent({ ...about, receivedAt: at, price: 500 + i / 100, size: 10, exchange: 'V' })
  })
}

describe('the dashboard of a recording', { skip: noChromium }, () => {
  let browser: Browser
  const folder = mkdtempSync(join(tmpdir(), 'tickwire-replay-page-'))
  before(async () => {
    await buildWhenStale()
    browser = await openBrowser()
  })
  after(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('says REPLAY where prices are, and is played, stopped and stepped from the page', async () => {
    const tape = memoryTape({ clock: handClock() })
    tape.append(recorded(5_000))
    const provider = replay({ tape, paused: true })
    const app = await openApp({
      feeds: [{ provider }],
      log: silentLog,
      gateway: { port: 0, keys: join(folder, 'keys.json') },
    })
    const page = await browser.newPage()
    page.setDefaultTimeout(60_000)
    try {
      await page.goto(`${app.gateway!.url}?watch=SPY`)
      const bar = page.locator('.replay')
      await bar.locator('span', { hasText: 'paused' }).waitFor()
      for (const panel of ['.top', '.watch', '.chart', '.ladder', '.trades']) {
        await page.locator(`${panel} .nature`, { hasText: 'REPLAY' }).first().waitFor()
      }
      assert.equal(await page.locator('.trades tbody tr:not(.note)').count(), 0)
      await bar.locator('button', { hasText: 'step' }).click()
      await page.locator('.trades tbody tr', { hasText: '500.00' }).waitFor()
      await bar.locator('button', { hasText: 'step' }).click()
      await page.locator('.trades tbody tr', { hasText: '500.01' }).waitFor()
      await bar.locator('select').selectOption('10')
      await bar.locator('button', { hasText: 'play' }).click()
      await bar.locator('span', { hasText: 'playing' }).waitFor()
      // Ten trades a real tenth of a second: those above have long gone out of sight.
      const later = /500\.[3-9]\d|50[1-9]\.\d\d/
      await page.locator('.trades tbody tr', { hasText: later }).first().waitFor()
      assert.equal(provider.speed, 10)
      await bar.locator('button', { hasText: 'pause' }).click()
      await bar.locator('span', { hasText: 'paused' }).waitFor()
      assert.equal(provider.state, 'paused')
    } finally {
      await page.close()
      await app.close()
      await tape.close()
    }
  })
})
