import { systemClock } from '../../base/clock.ts'
import { seededRandom } from '../../base/random.ts'
import { createEvent, Flag, type MarketEvent } from '../../market/events.ts'

/** No wire service writes more than this, articles a second. */
const MOST_A_SECOND = 1

/** Invented articles about invented events, now and then one with a later change; `close` ends them. */
export function simulateNews(
  symbols: readonly string[],
  { seed, rate }: { readonly seed: number; readonly rate: number },
  deliver: (batch: readonly MarketEvent[]) => void,
): { close(): void } {
  const clock = systemClock()
  const random = seededRandom(seed)
  const pick = () => symbols[Math.floor(random() * symbols.length)]!
  let id = 0
  let createdAt = 0
  const write = () => {
    const changed = id > 0 && random() < 0.1
    const now = Math.floor(clock.now())
    if (!changed) {
      id++
      createdAt = now
    }
    const about = [...new Set(random() < 0.3 ? [pick(), pick()] : [pick()])]
    const headline = `SIMULATED: invented article ${id} about ${about.join(' and ')}`
    const article = createEvent({
      ...{ type: 'news', symbol: about[0], symbols: about, source: 'simulated', timestamp: now },
      ...{ flags: Flag.simulated, id, createdAt, headline, author: 'tickwire sim' },
      ...{ summary: changed ? 'Changed since.' : 'Nothing of this has happened.' },
      ...{ publisher: 'simulated', url: `https://example.com/${id}` },
    })
    deliver([article])
    timer = clock.setTimeout(write, 1_000 / Math.min(rate, MOST_A_SECOND))
  }
  let timer = clock.setTimeout(write, 0)
  return { close: () => timer.cancel() }
}
