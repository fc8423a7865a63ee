import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { Door } from '../../src/gateway/access.ts'
import { openRest } from '../../src/gateway/rest.ts'
import { openGateway } from '../../src/gateway/serve.ts'
import { createEvent } from '../../src/market/events.ts'
import type { Tape } from '../../src/tape/tape.ts'
import { buildWhenStale, closePages, noChromium, openBrowser, openPage } from './page-kit.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let browser: Browser

const row = (page: Page, symbol: string) => page.locator(`[data-row="${symbol}"]`)
/** Types into what finds symbols and commands, once that is there: what came before is for the page. */
async function find(page: Page, text: string) {
  await page.locator('[role="combobox"]:focus').waitFor()
  await page.keyboard.type(text)
}
/** The page has prices, a book, trades and a chart. */
async function lives(page: Page) {
  await row(page, 'SPY')
    .locator('.last', { hasText: /\d\.\d\d/ })
    .waitFor()
  await page.locator('.ladder .bid .size').first().waitFor()
  await page.locator('.trades tbody td').first().waitFor()
  await page.locator('.chart canvas').first().waitFor()
}

describe('the dashboard', { skip: noChromium }, () => {
  before(async () => {
    await buildWhenStale()
    browser = await openBrowser()
  })
  after(async () => {
    await closePages()
    await browser?.close()
  })

  it('lives: prices, chart, book, trades and health, said to be simulated where prices are', async () => {
    const { page, complaints, close } = await openPage(browser)
    await lives(page)
    await page.locator('.health .card[data-state]').waitFor()
    for (const panel of ['.top', '.watch', '.chart', '.ladder', '.trades']) {
      await page.locator(`${panel} .nature`, { hasText: 'SIMULATED' }).first().waitFor()
    }
    const newest = page.locator('.trades tbody tr:first-child td:first-child')
    const before = await newest.innerText()
    await newest.filter({ hasNotText: before }).waitFor()
    await page.locator('.legend em', { hasText: 'forming' }).waitFor()
    await close()
    assert.deepEqual(complaints, [])
  })

  it('is worked by keys alone, and its address holds the view', async () => {
    const { page, close } = await openPage(browser)
    await lives(page)
    await page.keyboard.press('ArrowDown')
    await page.locator('[data-row="TSLA"][aria-selected="true"]').waitFor()
    await page.keyboard.press('5')
    await page.locator('.intervals [aria-pressed="true"]', { hasText: /^5m$/ }).waitFor()
    assert.match(page.url(), /symbol=TSLA/)
    assert.match(page.url(), /interval=5m/)
    await page.keyboard.press('?')
    await page.locator('dialog[open] .keys').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('Control+k')
    await find(page, 'btc')
    await page.locator('[role="option"][aria-selected="true"]', { hasText: 'BTC/USD' }).waitFor()
    await page.keyboard.press('Enter')
    await row(page, 'BTC/USD').locator('.last', { hasText: /\d/ }).waitFor()
    await page.reload()
    await page.locator('[data-row="BTC/USD"][aria-selected="true"]').waitFor()
    await page.keyboard.press('Delete')
    await row(page, 'BTC/USD').waitFor({ state: 'detached' })
    await page.keyboard.press('t')
    assert.equal(await page.evaluate('document.documentElement.dataset.theme'), 'light')
    await close()
  })

  it('says in its line why a symbol is not to be had', async () => {
    const { page, close } = await openPage(browser)
    await lives(page)
    await page.keyboard.press('/')
    await find(page, 'nope')
    await page.locator('[role="option"]', { hasText: 'add as it is written' }).waitFor()
    await page.keyboard.press('Enter')
    await row(page, 'NOPE').locator('.why', { hasText: /NOPE/ }).waitFor()
    await close()
  })

  it('says gap in the line and between the trades, until it is repaired', async () => {
    const { page, kit, close } = await openPage(browser)
    await lives(page)
    const tape = kit.context.tape as Tape
    const now = kit.clock.now()
    const about = { type: 'notice', symbol: 'SPY', source: 'simulated', timestamp: now } as const
    const span = { kind: 'trade', from: now - 2_000, to: now } as const
    const message = '42 trades are missing'
    tape.append([createEvent({ ...about, ...span, notice: 'gap', message })])
    await row(page, 'SPY').locator('.age b', { hasText: 'gap' }).waitFor()
    await page.locator('.trades .note.gap', { hasText: message }).waitFor()
    await page.locator('.legend .gaps', { hasText: '1 gap' }).waitFor()
    const filled = { ...about, ...span, notice: 'repaired', message: '42 came', count: 42 } as const
    tape.append([createEvent(filled)])
    await row(page, 'SPY').locator('.age b').waitFor({ state: 'detached' })
    await page.locator('.trades .note', { hasText: '42 came' }).waitFor()
    await close()
  })

  it('says stale in the line for as long as a symbol is, with the reason', async () => {
    const { page, kit, close } = await openPage(browser, { query: '?watch=SPY,NOPE' })
    await lives(page)
    const tape = kit.context.tape as Tape
    // Nothing more comes: what is stale has no newer price.
    await kit.feed.close()
    const now = kit.clock.now()
    const about = { type: 'notice', symbol: 'SPY', source: 'simulated', timestamp: now } as const
    tape.append([createEvent({ ...about, notice: 'stale', message: 'the venue has newer data' })])
    const age = row(page, 'SPY').locator('.age')
    await age.locator('b', { hasText: /^stale \d+ s/ }).waitFor()
    assert.equal(await age.getAttribute('title'), 'the venue has newer data')
    await page.keyboard.press('s')
    await page.locator('.said', { hasText: 'SPY is stale' }).waitFor()
    tape.append([createEvent({ ...about, notice: 'live', message: 'it comes again' })])
    await age.locator('b').waitFor({ state: 'detached' })
    await close()
  })

  it('goes on when the gateway is there again, with all that came meanwhile', async () => {
    const { page, kit, close } = await openPage(browser)
    await lives(page)
    const { port } = kit.gateway
    await kit.gateway.close()
    await page.locator('.top [role="alert"]').waitFor()
    const tape = kit.context.tape as Tape
    const now = kit.clock.now()
    const about = { type: 'trade', symbol: 'SPY', source: 'simulated', timestamp: now } as const
    const traded = { price: 4_321.09, size: 7, exchange: 'V', receivedAt: now } as const
    tape.append([createEvent({ ...about, ...traded })])
    const door = new Door({
      host: '127.0.0.1',
      keys: kit.keysPath,
      clock: kit.clock,
      log: kit.context.log,
    })
    const again = await openGateway(kit.context, {
      ...{ port, access: door, version: '0.0.0' },
      http: inside => openRest(inside, { door, version: '0.0.0' }),
    })
    await page.locator('.top [role="alert"]').waitFor({ state: 'detached', timeout: 60_000 })
    await page.locator('.trades td', { hasText: '4,321.09' }).waitFor()
    await page.locator('.ladder .bid .size').first().waitFor()
    const newest = page.locator('.trades tbody tr:first-child td:first-child')
    const before = await newest.innerText()
    await newest.filter({ hasNotText: before }).waitFor()
    await again.close()
    door.close()
    await close()
  })

  it('draws indicators, each in its place, and says their values', async () => {
    const { page, kit, close, complaints } = await openPage(browser, {
      query: '?watch=SPY&interval=1s',
    })
    await lives(page)
    for (const key of ['e', 'v', 'b', 'r', 'm']) await page.keyboard.press(key)
    assert.deepEqual(complaints, [])
    for (const title of ['EMA 20', 'VWAP', 'BB 20 2', 'RSI 14', 'MACD 12 26 9']) {
      const there = page.locator('.legend', { hasText: title }).waitFor()
      await there.catch(async error => {
        const legend = await page.locator('.legend').innerText()
        assert.fail(`${error.message}; ${page.url()}; ${legend}; ${complaints.join('; ')}`)
      })
    }
    assert.match(page.url(), /studies=ema,vwap,bollinger,rsi,macd/)
    // The price's pane, and one each for what is of another scale.
    const panes = page.locator('.chart .canvas table tr:has(td:nth-child(2) canvas)')
    await page.locator('.legend span', { hasText: /VWAP \d+\.\d\d/ }).waitFor()
    assert.ok((await panes.count()) >= 3, `${await panes.count()} panes`)
    const status = { type: 'status', symbol: 'SPY', source: 'simulated' } as const
    const at = kit.clock.now()
    const halt = {
      ...status,
      timestamp: at,
      statusCode: 'H',
      statusMessage: 'Trading Halt',
    } as const
    ;(kit.context.tape as Tape).append([createEvent({ ...halt, receivedAt: at })])
    await page.keyboard.press('m')
    await page.locator('.legend', { hasNotText: 'MACD' }).waitFor()
    await close()
    assert.deepEqual(complaints, [])
  })

  it('keeps lists, headings and layouts under names, and shows them again', async () => {
    const { page, close } = await openPage(browser)
    await lives(page)
    const choose = async (text: string, option: string) => {
      await page.keyboard.press('/')
      await find(page, text)
      await page.locator('[role="option"]', { hasText: option }).first().click()
      await page.locator('dialog').waitFor({ state: 'detached' })
    }
    await choose('Indices', 'Move SPY under a heading “Indices”')
    await page.locator('.watch .heading', { hasText: 'Indices' }).waitFor()
    assert.match(page.url(), /watch=TSLA,AAPL,~Indices,SPY/)
    await choose('mine', 'Keep the list as “mine”')
    await page.keyboard.press('z')
    await choose('day', 'Keep the layout as “day”')
    await page.keyboard.press('Delete')
    await row(page, 'SPY').waitFor({ state: 'detached' })
    await page.keyboard.press('d')
    await page.locator('.depth').waitFor({ state: 'hidden' })
    await page.locator('.watch .kept').selectOption('mine')
    await page.locator('.watch .heading', { hasText: 'Indices' }).waitFor()
    await choose('layout', 'Layout: day')
    await page.locator('.depth').waitFor()
    assert.match(page.url(), /zone=local/)
    await page.reload()
    await page.locator('.watch .kept option', { hasText: 'mine' }).waitFor({ state: 'attached' })
    await close()
  })

  it('has the lines of a long list that are in sight, and brings the chosen one there', async () => {
    const others = Array.from({ length: 150 }, (_, i) => `X${i}`)
    const { page, close } = await openPage(browser, { query: `?watch=SPY,${others.join(',')}` })
    await lives(page)
    // Takes of the list's room when it comes.
    await page.locator('.health .card[data-state]').waitFor()
    assert.ok((await page.locator('[data-row]').count()) < 60)
    assert.equal(await page.locator('.watch [aria-rowcount="152"]').count(), 1)
    for (let i = 0; i < 100; i++) await page.keyboard.press('j')
    await page.locator('[data-row="X99"][aria-selected="true"][aria-rowindex="102"]').waitFor()
    const isInside = `(() => {
      const of = it => document.querySelector(it).getBoundingClientRect()
      const [box, row] = [of('.watch .scroll'), of('[data-row="X99"]')]
      return row.top >= box.top && row.bottom <= box.bottom
    })()`
    let tries = 0
    while (!(await page.evaluate(isInside))) {
      assert.ok(tries++ < 200, 'the chosen line stays out of sight')
      await page.waitForTimeout(50)
    }
    await row(page, 'SPY').waitFor({ state: 'detached' })
    await close()
  })

  it('tells times in UTC, of this machine and of the exchange', async () => {
    const { page, close } = await openPage(browser)
    await lives(page)
    await page.locator('.trades th', { hasText: 'Time UTC' }).waitFor()
    await page.keyboard.press('z')
    await page.locator('.clock', { hasText: 'local' }).waitFor()
    await page.keyboard.press('z')
    await page.locator('.clock', { hasText: 'exchange' }).waitFor()
    await page.keyboard.press('z')
    await page.locator('.clock', { hasNotText: 'exchange' }).waitFor()
    await close()
  })

  it('lets the book stand still, and has three schemes of colours', async () => {
    const { page, close } = await openPage(browser)
    await lives(page)
    await page.keyboard.press('x')
    await page.locator('.lock[aria-pressed="false"]').waitFor()
    // A price a line, whether somebody offers it or not.
    const prices = page.locator('.ladder tbody tr:not(.middle) td:nth-child(2)')
    const first = await prices.first().innerText()
    assert.equal(await prices.count(), 18)
    const all = (await prices.allInnerTexts()).map(text =>
      Number.parseFloat(text.replaceAll(',', '')),
    )
    for (let i = 1; i < all.length; i++) assert.ok(Math.abs(all[i - 1]! - all[i]! - 0.01) < 1e-6)
    const newest = page.locator('.trades tbody tr:first-child td:first-child')
    const before = await newest.innerText()
    await newest.filter({ hasNotText: before }).waitFor()
    assert.equal(Number.parseFloat(await prices.first().innerText()), Number.parseFloat(first))
    await page.keyboard.press('x')
    await page.locator('.lock[aria-pressed="true"]').waitFor()
    const colour = () =>
      page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--up')")
    const seen = [await colour()]
    for (let i = 0; i < 2; i++) {
      await page.keyboard.press('c')
      seen.push(await colour())
    }
    assert.equal(new Set(seen).size, 3)
    await close()
  })

  it('shows frames beside what they say, and the account of the day as CSV', async () => {
    const { page, close } = await openPage(browser)
    await lives(page)
    await page.locator('.health .card[data-state] .timeline').waitFor({ state: 'attached' })
    const download = page.waitForEvent('download')
    await page.locator('.health button', { hasText: 'CSV' }).click()
    assert.match((await download).suggestedFilename(), /^tickwire-ledger-.*\.csv$/)
    await page.keyboard.press('i')
    await page.locator('.inspector [aria-label="What it says"]', { hasText: '"type"' }).waitFor()
    await page.locator('.inspector button', { hasText: 'pause' }).click()
    await page.locator('.inspector button', { hasText: 'go on' }).waitFor()
    await page.keyboard.press('Escape')
    await page.locator('dialog').waitFor({ state: 'detached' })
    await close()
  })

  it('keeps what it has of the past while that cannot be had, and says why', async () => {
    const { page, kit, close } = await openPage(browser)
    await lives(page)
    const volume = row(page, 'SPY').locator('.volume', { hasText: /\d/ })
    const tape = kit.context.tape as Tape
    const before = await volume.innerText()
    const history = { ...kit.context }.history
    Object.assign(kit.context, { history: () => Promise.reject(new Error('the store is away')) })
    const about = { type: 'notice', source: 'simulated', timestamp: kit.clock.now() } as const
    tape.append([createEvent({ ...about, symbol: undefined, notice: 'lost', message: 'some are' })])
    await page.locator('.top .trouble', { hasText: 'No past' }).waitFor()
    const size = (text: string) =>
      Number(text.replaceAll(/[,KM]/g, '')) *
      (text.endsWith('M') ? 1e6 : text.endsWith('K') ? 1e3 : 1)
    const after = await volume.innerText()
    assert.ok(size(after) >= size(before), `${after} after ${before}`)
    Object.assign(kit.context, { history })
    await page.locator('.top .trouble').waitFor({ state: 'detached' })
    await close()
  })

  it('hides the numbers of a book that is not whole', async () => {
    const { page, kit, close } = await openPage(browser)
    await lives(page)
    await kit.gateway.close()
    await page.locator('.ladder .veil', { hasText: 'unsynced' }).waitFor()
    assert.equal(await page.locator('.ladder td').count(), 0)
    await page.locator('.top [role="alert"]').waitFor()
    await close()
  })

  it('asks for a key where one is wanted, and keeps none', async () => {
    const { page, kit, close } = await openPage(browser, { gateway: { admission: 'keys' } })
    const key = await kit.newKey({ name: 'desk', scopes: ['read', 'history'] })
    const input = page.locator('.key input')
    await input.fill(`${key.slice(0, -4)}aaaa`)
    await page.keyboard.press('Enter')
    await page.locator('.key [role="alert"]').waitFor()
    await input.fill(key)
    await page.keyboard.press('Enter')
    await lives(page)
    const kept = String(
      await page.evaluate('JSON.stringify({ ...localStorage, cookie: document.cookie })'),
    )
    assert.ok(!kept.includes(key) && !page.url().includes(key))
    await close()
  })

  for (const theme of ['dark', 'light'] as const) {
    it(`has nothing serious against it, ${theme}`, async () => {
      const { page, close } = await openPage(browser, { theme })
      await lives(page)
      await page.locator('.health .card[data-state]').waitFor()
      // Evaluated in place of a script of the page, which the gateway's rules forbid.
      const found = await page.evaluate(`${axe}; axe.run({ resultTypes: ['violations'] })`)
      const { violations } = found as {
        violations: {
          id: string
          impact: string
          nodes: { html: string; failureSummary: string }[]
        }[]
      }
      const serious = violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => [id, nodes[0]!.html.slice(0, 120), nodes[0]!.failureSummary])
      await close()
      assert.deepEqual(serious, [])
    })
  }

  it('fits a phone, and a screen at twice the size', async () => {
    for (const [width, height] of [
      [390, 844],
      [720, 450],
    ]) {
      const { page, close } = await openPage(browser, { width: width!, height: height! })
      await row(page, 'SPY')
        .locator('.last', { hasText: /\d\.\d\d/ })
        .waitFor()
      for (const tab of ['Chart', 'Trades', 'Book', 'Health', 'List']) {
        await page.locator('.tabs button', { hasText: tab }).click()
        const root = 'document.documentElement'
        const wide = await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`)
        assert.equal(wide, 0, `${tab} at ${width} is ${wide} px too wide`)
        const panels = tab === 'Book' ? 2 : 1
        assert.equal(await page.locator('.panel:visible').count(), panels, `${tab} at ${width}`)
      }
      await close()
    }
  })
})
