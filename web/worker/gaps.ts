import type { Notice } from '../../src/market/events.ts'
import type { GapSpan } from '../wire.ts'

interface Gap extends GapSpan {
  readonly symbol: string | undefined
  readonly source: string
  readonly kind: string | undefined
}

const MOST = 200

/** What is missing, or was, as the notices of the stream have said. */
export class Gaps {
  #gaps: Gap[] = []

  accept({ notice, symbol, source, kind, from, to, timestamp }: Notice): void {
    const isOf = (gap: Gap) =>
      gap.state === 'open' &&
      gap.source === source &&
      (symbol === undefined || gap.symbol === undefined || gap.symbol === symbol) &&
      (kind === undefined || gap.kind === undefined || gap.kind === kind)
    if (notice === 'gap') {
      const span = { from: from ?? timestamp, to: to ?? timestamp, state: 'open' } as const
      this.#gaps = [...this.#gaps.slice(-MOST), { ...span, symbol, source, kind }]
    } else if (notice === 'repaired' || notice === 'unrepaired') {
      this.#gaps = this.#gaps.map(gap => (isOf(gap) ? { ...gap, state: notice } : gap))
    }
  }

  /** Of what is drawn from trades. */
  of(symbol: string, source: string | undefined): readonly GapSpan[] {
    return this.#gaps
      .filter(
        gap =>
          (gap.symbol === undefined || gap.symbol === symbol) &&
          (source === undefined || gap.source === source) &&
          (gap.kind === undefined || gap.kind === 'trade'),
      )
      .map(({ from, to, state }) => ({ from, to, state }))
  }
}
