// What a venue says when asked for the present state of something, and when that is news.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Answers } from '../../src/feed/probe.ts'
import { createEvent, type Quote, type Ticker } from '../../src/market/events.ts'

const ASKED = 1_000_000.5
const quote = (fields: object, timestamp = 1_000_000) =>
  createEvent({
    ...{ type: 'quote', source: 'venue', symbol: 'BTC/USD', timestamp, receivedAt: timestamp },
    ...{ bid: 99, bidSize: 1, ask: 101, askSize: 2, ...fields },
  }) as Quote
const ticker = (fields: object, timestamp = 1_000_000) =>
  createEvent({
    ...{ type: 'ticker', source: 'venue', symbol: 'BTC/USD', timestamp, receivedAt: timestamp },
    ...{ last: 100, ...fields },
  }) as Ticker

test('the best prices that came are no news, whatever their time; others are', () => {
  const answers = new Answers()
  const isNews = (fields: object) => answers.isNews(quote(fields), ASKED, quote({}, 5))
  assert.equal(isNews({}), false)
  assert.equal(isNews({ bidSize: undefined, askSize: undefined }), false, 'sizes are not said')
  for (const fields of [{ bid: 98 }, { ask: undefined }, { askSize: 3 }]) {
    assert.equal(isNews(fields), true, JSON.stringify(fields))
  }
})

test('where nothing has come, an answer of that moment is compared with the one before', () => {
  const answers = new Answers()
  assert.equal(answers.isNews(quote({}), ASKED, undefined), false)
  assert.equal(answers.isNews(quote({}), ASKED, undefined), false)
  assert.equal(answers.isNews(quote({ bid: 98 }), ASKED, undefined), true)
})

test('where nothing has come, an answer with a time of its own is judged by that', () => {
  assert.equal(new Answers().isNews(quote({}, 900_000), ASKED, undefined), true)
})

test('a ticker of that moment is compared by its prices; one of another goes by its time', () => {
  const answers = new Answers()
  assert.equal(answers.isNews(ticker({ volume: 9 }), ASKED, ticker({ volume: 8 }, 5)), false)
  assert.equal(answers.isNews(ticker({ last: 101 }), ASKED, ticker({}, 5)), true)
  assert.equal(answers.isNews(ticker({}, 900_000), ASKED, ticker({}, 5)), true)
})

test('a trade is always judged by its time', () => {
  const fields = { symbol: 'BTC/USD', source: 'venue', timestamp: 1_000_000, price: 1, size: 1 }
  const trade = createEvent({ type: 'trade', ...fields, receivedAt: 1 })
  assert.equal(new Answers().isNews(trade, ASKED, undefined), true)
})
