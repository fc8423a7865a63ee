import { TickwireError } from '../base/errors.ts'
import type { ReplayProvider } from '../providers/replay/provider.ts'
import type { Key } from './keys.ts'

/** How far the keys seek, ms of the tape. */
const SEEK_MS = 60_000
/** Where `+` goes on to max, and where `-` comes back to from there. */
const FASTEST = 1_000
const BELOW_MAX = 100
/** As slow as `--speed` takes it. */
const SLOWEST = 0.001

/** What a key does besides steering the replay. */
export interface PressActions {
  say(line: string): void
  quit(): void
}

/** Does what a key pressed during a replay stands for, and says so. */
export function press(key: Key, provider: ReplayProvider, { say, quit }: PressActions): void {
  const where = () =>
    provider.time === undefined ? 'the beginning' : new Date(provider.time).toISOString()
  if (key === 'quit') quit()
  else if (key === 'space') {
    const paused = provider.state === 'paused'
    if (paused) provider.resume()
    else provider.pause()
    say(paused ? 'goes on' : `paused at ${where()}`)
  } else if (key === 'right') void provider.step()
  else if (key === 'faster' || key === 'slower') {
    provider.speed = key === 'faster' ? faster(provider.speed) : slower(provider.speed)
    say(describeSpeed(provider.speed))
  } else if (provider.time !== undefined) {
    try {
      provider.seek(provider.time + (key === 'forward' ? SEEK_MS : -SEEK_MS))
      say(`at ${where()}`)
    } catch (error) {
      if (!(error instanceof TickwireError && error.code === 'BAD_OPTION')) throw error
      say(key === 'forward' ? 'that is beyond its end' : 'that is before its beginning')
    }
  }
}

function faster(speed: number): number {
  return speed * 2 > FASTEST ? Number.POSITIVE_INFINITY : speed * 2
}

function slower(speed: number): number {
  if (speed === Number.POSITIVE_INFINITY) return BELOW_MAX
  return Math.min(speed, Math.max(speed / 2, SLOWEST))
}

function describeSpeed(speed: number): string {
  return speed === Number.POSITIVE_INFINITY
    ? 'as fast as it goes'
    : `speed ${Number(speed.toPrecision(3))}x`
}
