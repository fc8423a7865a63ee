import { asError, TickwireError } from '../base/errors.ts'
import { EVENT_TYPES } from '../market/events.ts'
import type { Topic } from '../market/topics.ts'
import { PolledBeside } from './polled-beside.ts'
import { canBePolled, Polling } from './polling.ts'
import type { Connection, Link, Provider } from './provider.ts'

export interface PolledOptions {
  /** Time between two questions, ms. Every question counts against the venue's quota. @default 60000 */
  readonly everyMs?: number
  /**
   * `always`: no stream is opened. `refused`: the stream it is, and what the plan does not have of it (`NOT_ENTITLED`, the
   * whole or some topics) is asked for instead, as far as it can be; any other fault, a wrong key among them, is the
   * stream's own and nothing is asked. Where the answer is refused too, so is the topic.
   * @default 'always'
   */
  readonly when?: 'always' | 'refused'
  /**
   * With `refused`: hears of topics that are asked for in the stream's place, once the first answer is there, and why. The
   * same stands in the stream as the notice `rejected`.
   */
  readonly onRefused?: (reason: TickwireError, topics: readonly Topic[]) => void
}

/**
 * A provider without its stream: what `latest` says is asked for again and again, for a plan that has no stream, or, with
 * `when: 'refused'`, for what it lacks of it. Events are flagged `polled`; what happens between two questions is not seen,
 * and no gap is said of it. An answer that says what the last one said is no event.
 * @throws UNSUPPORTED where the provider cannot be asked, BAD_OPTION for a time below a second
 */
export function polled(provider: Provider, options: PolledOptions = {}): Provider {
  const { everyMs = 60_000, when = 'always' } = options
  const { latest, capabilities } = provider
  if (!latest) {
    throw new TickwireError('UNSUPPORTED', `${capabilities.title} cannot be polled`, {
      hint: 'It answers no questions beside its stream.',
    })
  }
  if (!(everyMs >= 1_000)) {
    throw new TickwireError('BAD_OPTION', `everyMs is ${everyMs}`, {
      hint: 'Give milliseconds, a second or more: venues count questions.',
    })
  }
  if (when !== 'always' && when !== 'refused') {
    throw new TickwireError('BAD_OPTION', `when is ${JSON.stringify(when)}`, {
      hint: "It is 'always' or 'refused'.",
    })
  }
  const ask = latest.bind(provider)
  if (when === 'refused') return polledWhereRefused(provider, ask, everyMs, options.onRefused)
  const { id } = provider
  // Nothing but these: whether silence means anything need not be asked for beside what is asked anyway.
  return {
    id,
    symbol: text => provider.symbol(text),
    capabilities: {
      ...capabilities,
      ...words(capabilities.title, everyMs),
      kinds: EVENT_TYPES.filter(
        kind => canBePolled({ kind, symbol: '' }) && capabilities.kinds.includes(kind),
      ),
      wildcard: [],
      polled: true,
      limits: {},
      history: false,
    },
    connect: async link => {
      link.opened()
      return new Polling({ latest: ask, link, everyMs }, link.topics)
    },
  }
}

function words(title: string, everyMs: number): { title: string; silenceHint: string } {
  const seconds = `${everyMs / 1_000} s`
  return {
    title: `${title}, polled every ${seconds}`,
    silenceHint: `it is asked every ${seconds}, and says the same until something has changed`,
  }
}

/** The provider as it is, until its plan refuses something. */
function polledWhereRefused(
  provider: Provider,
  latest: NonNullable<Provider['latest']>,
  everyMs: number,
  onRefused: PolledOptions['onRefused'],
): Provider {
  /** Why there is no stream at all: nobody asks for it again. */
  let refusal: TickwireError | undefined
  const { capabilities } = provider
  const instead = words(capabilities.title, everyMs)
  const tell = (link: Link, reason: TickwireError, topics: readonly Topic[]) => {
    try {
      onRefused?.(reason, topics)
    } catch (thrown) {
      link.log.error({ error: asError(thrown) }, 'onRefused threw')
    }
  }
  const { history, instruments } = provider
  return {
    ...provider,
    ...(history && { history: history.bind(provider) }),
    ...(instruments && { instruments: instruments.bind(provider) }),
    latest,
    symbol: text => provider.symbol(text),
    // Without a stream there is no connection that the venue would count.
    get account() {
      return refusal ? undefined : provider.account
    },
    capabilities: {
      ...capabilities,
      get title() {
        return refusal ? instead.title : capabilities.title
      },
      get silenceHint() {
        return refusal ? instead.silenceHint : capabilities.silenceHint
      },
      get polled() {
        return refusal !== undefined || (capabilities.polled ?? false)
      },
    },
    connect: (link): Promise<Connection> => {
      const beside = new PolledBeside({
        ...{ link, latest, everyMs },
        begun: (reason, topics) => tell(link, reason, topics),
        refused: reason => {
          refusal = reason
        },
      })
      return refusal ? beside.without(refusal) : beside.open(theirs => provider.connect(theirs))
    },
  }
}
