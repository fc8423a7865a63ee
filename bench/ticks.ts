/**
 * OpenAlgo's and AllTick's frames to events, one message each, against `JSON.parse` alone on the same frames. Neither vendor has a
 * client for JavaScript that reads its stream, so that is the peer.
 */
import type { Random } from '../src/base/random.ts'
import { KIND_BIT } from '../src/feed/provider.ts'
import type { Level } from '../src/market/events.ts'
import { AllTickDecoder } from '../src/providers/alltick/codec.ts'
import { Market as AllTickState } from '../src/providers/alltick/market.ts'
import { PlainDecoder as PlainAllTick } from '../src/providers/alltick/plain.ts'
import { OpenAlgoDecoder } from '../src/providers/openalgo/codec.ts'
import { Market } from '../src/providers/openalgo/market.ts'
import { MODES, ModePlan, modeNumber } from '../src/providers/openalgo/modes.ts'
import { PlainDecoder } from '../src/providers/openalgo/plain.ts'
import { dataOf, pythonJson } from '../src/providers/openalgo/server-frames.ts'
import {
  answer,
  type Case,
  compare,
  contextOf,
  decoding,
  type FramesOptions,
  PARSING,
} from './frames.ts'

const FRAMES = 4_000
const NAMES = [
  ...(['OpenAlgo ltp', 'OpenAlgo quote', 'OpenAlgo depth'] as const),
  ...(['AllTick trade', 'AllTick book'] as const),
] as const
type Name = (typeof NAMES)[number]

/** What is wanted: of depth everything that is made of it. */
const MASKS: Readonly<Record<Name, number>> = {
  ...{ 'OpenAlgo ltp': KIND_BIT.ticker, 'OpenAlgo quote': KIND_BIT.ticker, 'OpenAlgo depth': -1 },
  ...{ 'AllTick trade': KIND_BIT.trade, 'AllTick book': KIND_BIT.book },
}

/** Least ratio to `JSON.parse`. */
const BUDGET = 3
const NOW = Date.UTC(2026, 7, 21, 4, 30)

const CASES: readonly Case[] = NAMES.map(name => {
  const context = () => contextOf(() => MASKS[name])
  const isAllTick = name.startsWith('AllTick')
  const scanner = () =>
    isAllTick
      ? new AllTickDecoder(context(), 'stocks')
      : new OpenAlgoDecoder(context(), new ModePlan('ltp'))
  const plain = () =>
    isAllTick
      ? new PlainAllTick(new AllTickState(context(), 'stocks'))
      : new PlainDecoder(new Market(context(), new ModePlan('ltp')))
  return {
    name,
    frames: random => framesOf(name, random),
    ways: {
      parse: PARSING,
      scanner: decoding('scanner', scanner),
      plain: decoding('plain decoder', plain),
    },
    rows: [
      { way: 'scanner', than: 'parse', budget: BUDGET },
      { way: 'scanner', than: 'plain' },
    ],
  }
})

export async function main(options: FramesOptions = {}): Promise<void> {
  compare(import.meta.url, CASES, options)
}

function framesOf(name: Name, random: Random): Buffer[] {
  return name.startsWith('AllTick') ? allTickFrames(name, random) : openAlgoFrames(name, random)
}

/** Of two hundred codes, a book of the five levels China has. */
function allTickFrames(name: Name, random: Random): Buffer[] {
  return Array.from({ length: FRAMES }, (_, i) => {
    const cents = 3_700 + Math.floor(random() * 100)
    const head = { code: `${600_000 + (i % 200)}.SH`, seq: 1_836_410 + i, tick_time: NOW + i }
    const side = (step: number) =>
      Array.from({ length: 5 }, (_, n) => ({
        price: ((cents + step * (n + 1)) / 100).toFixed(6),
        volume: String(1 + Math.floor(random() * 900)),
      }))
    const data = name.endsWith('book')
      ? { ...head, bids: side(-1), asks: side(1) }
      : {
          ...{ ...head, price: (cents / 100).toFixed(6), volume: String(1 + (i % 500)) },
          ...{ turnover: (cents * 1.5).toFixed(6), trade_direction: i % 3 },
        }
    return Buffer.from(JSON.stringify({ cmd_id: name.endsWith('book') ? 22_999 : 22_998, data }))
  })
}

/** As the adapter of Angel One sends them, of two hundred symbols. */
function openAlgoFrames(name: Name, random: Random): Buffer[] {
  const mode = MODES.find(it => name.endsWith(it))!
  return Array.from({ length: FRAMES }, (_, i) => {
    const symbol = `SYMBOL${i % 200}`
    const paise = 140_000 + Math.floor(random() * 1_000) * 5
    const side = (step: number) =>
      Array.from({ length: 5 }, (_, n): Level => {
        return [(paise + step * (n + 1)) / 100, 1 + Math.floor(random() * 900)]
      })
    const known = {
      ...{
        last: paise / 100,
        lastSize: 1 + (i % 90),
        lastTime: NOW + i,
        open: 1_400,
        high: 1_450.5,
      },
      ...{ low: 1_390.05, close: 1_398.3, volume: 1_000_000 + i, vwap: 1_411.27, interest: 0 },
      ...{ bids: side(-5), asks: side(5) },
    }
    const data = dataOf('angel', `NSE:${symbol}`, mode, known, 5, NOW + i)
    const head = { type: 'market_data', symbol, exchange: 'NSE', mode: modeNumber(mode) }
    return Buffer.from(pythonJson({ ...head, data, broker: 'angel' }))
  })
}

await answer(import.meta.url, CASES)
