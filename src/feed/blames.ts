import type { Topic } from '../market/topics.ts'
import type { Recent } from './recent.ts'

type Asked = Pick<Topic, 'kind' | 'symbol' | 'interval'>

/** Of a topic for which a connection was replaced. */
interface Blame {
  readonly at: number
  /** Venue time of what the venue had then. */
  readonly timestamp: number
  /** How often in a row, with nothing coming in between. */
  readonly times: number
}

/** For which topics connections have been replaced: what did not help is not done without end. */
export class Blames {
  readonly #recent: Recent
  readonly #blames = new Map<string, Blame>()

  constructor(recent: Recent) {
    this.#recent = recent
  }

  /** The last time a connection was replaced for a topic; not counted any more when something of it has come since. */
  of(asked: Asked): Blame | undefined {
    const blame = this.#blames.get(nameOf(asked))
    if (!blame) return undefined
    const hasCome = (this.#recent.of(asked)?.receivedAt ?? 0) > blame.at
    return hasCome ? { ...blame, times: 0 } : blame
  }

  /** One is replaced now, as the venue has something of that time; without it, as nobody could be asked. */
  put(asked: Asked, timestamp: number, now: number): void {
    const times = (this.of(asked)?.times ?? 0) + 1
    this.#blames.set(nameOf(asked), { at: now, timestamp, times })
  }
}

const nameOf = ({ kind, symbol }: Asked) => `${kind}:${symbol}`
