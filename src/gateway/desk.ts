import { type Clock, sleep } from '../base/clock.ts'
import type { Outcome, Upstream } from './upstream.ts'

/** What an answer waits for of a source nobody has subscribed to, ms; and how often it looks. */
const WAIT_MS = 2_000
const LOOK_MS = 25

/**
 * Has the topics subscribed until `isThere`, or for two seconds, or until the venues have refused; they stay so for a
 * while, so that whoever asks again and again is answered at once.
 */
export async function wantFor(
  upstream: Pick<Upstream, 'hold' | 'release' | 'answer'>,
  topics: Parameters<Upstream['hold']>[0],
  isThere: () => boolean,
  clock: Clock,
  signal: AbortSignal,
): Promise<Outcome['rejected']> {
  if (topics.length === 0) return []
  upstream.hold(topics)
  let rejected: Outcome['rejected'] = []
  const answered = upstream.answer(topics).then(outcome => {
    rejected = outcome.rejected
  })
  // An answer of the venue may take longer than whoever asked is to wait.
  answered.catch(() => {})
  try {
    const until = clock.now() + WAIT_MS
    while (!isThere() && rejected.length < topics.length && clock.now() < until) {
      if (signal.aborted) break
      await sleep(clock, LOOK_MS, signal)
    }
    return rejected
  } finally {
    upstream.release(topics)
  }
}
