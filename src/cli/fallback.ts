import type { TickwireError } from '../base/errors.ts'
import { polled } from '../feed/polled.ts'
import type { Provider } from '../feed/provider.ts'
import type { Topic } from '../market/topics.ts'
import { describeOutcome } from './follow.ts'
import type { Chosen } from './providers.ts'

/** Between two questions in place of a stream that the plan refuses, ms. */
const POLL_MS = 60_000

export interface FallbackOptions {
  /** Ask every so many ms instead of streaming; `false`: never, also where the plan refuses the stream. */
  readonly poll?: number | false | undefined
  /** Frames are wanted, and answers to questions are none. */
  readonly raw?: boolean | undefined
}

/** A provider that is asked in its stream's place: everything, what the plan refuses of it, or nothing. */
export interface Fallback {
  readonly provider: Provider
  /** Something is asked for, and is answered. */
  readonly isPolled: boolean
}

/** `told` hears what is asked for because the plan refuses it, and why. @throws as `polled` */
export function withFallback(
  { provider, label }: Chosen,
  { poll, raw }: FallbackOptions,
  told: (line: string) => void,
): Fallback {
  let isAsked = false
  const onRefused = (reason: TickwireError, topics: readonly Topic[]) => {
    isAsked = true
    for (const line of describePolled(reason, topics, label)) told(line)
  }
  const wrapped =
    typeof poll === 'number'
      ? polled(provider, { everyMs: poll })
      : poll === false || raw || !provider.latest
        ? provider
        : polled(provider, { everyMs: POLL_MS, when: 'refused', onRefused })
  const isAlways = wrapped.capabilities.polled ?? false
  return {
    provider: wrapped,
    get isPolled() {
      return isAlways || isAsked
    },
  }
}

function describePolled(reason: TickwireError, topics: readonly Topic[], label: string): string[] {
  const [what] = describeOutcome({ accepted: topics, rejected: [], pending: [] }, label)
  const which = what?.replace(/^subscribed: |; waiting$/g, '')
  const line = `POLLED · ${which}: asked for every ${POLL_MS / 1_000} s, because ${reason.message}`
  return [line, ...(reason.hint ? [`  → ${reason.hint}`] : [])]
}
