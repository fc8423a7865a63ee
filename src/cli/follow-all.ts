import { ERRORS, TickwireError } from '../base/errors.ts'
import type { Feed } from '../feed/feed.ts'
import { describeError } from './console.ts'
import type { ChosenFeed } from './feeds.ts'
import { CONNECT_MS, type FollowOptions, follow } from './follow.ts'
import type { Run } from './run.ts'

export interface FollowAllOptions
  extends Pick<FollowOptions, 'durationMs' | 'say' | 'log' | 'losses' | 'shown'> {
  /** Called once, when the first of them is connected. */
  readonly connected: () => void
}

/**
 * {@link follow} for each of several feeds. One that ends fatally, or is not reached, is told and ends nothing else; the run
 * ends with the first error when there is no other left.
 */
export function followAll(
  feeds: readonly ChosenFeed[],
  opened: readonly Feed[],
  run: Run,
  options: FollowAllOptions,
): void {
  const { say, durationMs, connected, ...rest } = options
  const isOnly = feeds.length === 1
  let isConnected = false
  const failed = new Map<number, unknown>()
  const ended = new Set<number>()
  const first = () => {
    if (isConnected) return
    isConnected = true
    connected()
  }
  feeds.forEach(({ chosen, source, request }, i) => {
    const tell = isOnly ? say : (line: string) => say(`${source}: ${line}`)
    const own = isOnly
      ? run
      : {
          signal: run.signal,
          endAfter: () => {},
          done: () => {
            ended.add(i)
            if (ended.size < feeds.length) return
            if (failed.size > 0) run.fail(failed.values().next().value)
            else run.done()
          },
          fail: (error: unknown) => {
            failed.set(i, error)
            for (const line of describeError(error, false).split('\n')) tell(line.trimStart())
            // What may pass goes on trying, as long as another one is there.
            if (isFinal(error)) ended.add(i)
            if (failed.size === feeds.length) run.fail(failed.values().next().value)
          },
        }
    follow(opened[i]!, own, {
      ...rest,
      ...{ request, label: chosen.label, say: tell },
      durationMs: isOnly ? durationMs : undefined,
      connected: () => {
        failed.delete(i)
        first()
      },
    })
  })
  if (isOnly || durationMs === undefined) return
  run.endAfter(durationMs, () => {
    const [error] = failed.values()
    if (isConnected) run.done()
    else run.fail(error ?? unreached())
  })
}

const isFinal = (error: unknown) =>
  !(error instanceof TickwireError) || ERRORS[error.code].verdict === 'fatal'

const unreached = () =>
  new TickwireError('UNREACHABLE', 'no connection was made', {
    hint: `Check the network, the addresses and any proxy; a first connection may take ${CONNECT_MS / 1_000} s.`,
  })
