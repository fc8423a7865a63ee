import { clock, day } from '../format.ts'
import { health, steer, zone } from '../state.ts'

const MINUTE_MS = 60_000
const SPEEDS = [0.5, 1, 2, 5, 10, 60, 300] as const

/** The controls of a recording, where one is the source. */
export function ReplayBar() {
  const replay = health.value?.replay
  if (!replay) return null
  const { state, time, speed } = replay
  const isPaused = state === 'paused'
  return (
    <fieldset class="replay">
      <legend class="hidden">Replay</legend>
      <button type="button" title="Space" onClick={() => steer({ isPaused: !isPaused })}>
        {isPaused ? '▶ play' : '❚❚ pause'}
      </button>
      <button type="button" title="The next event" onClick={() => steer({ step: 1 })}>
        step
      </button>
      <button
        type="button"
        disabled={time === undefined}
        onClick={() => steer({ seek: time! - MINUTE_MS })}
      >
        −1 min
      </button>
      <button
        type="button"
        disabled={time === undefined}
        onClick={() => steer({ seek: time! + MINUTE_MS })}
      >
        +1 min
      </button>
      <label>
        <span class="hidden">Speed</span>
        <select
          value={speed ?? 'max'}
          onChange={({ currentTarget: { value } }) =>
            steer({ speed: value === 'max' ? null : Number(value) })
          }
        >
          {[...new Set([...SPEEDS, ...(speed === null ? [] : [speed])])]
            .sort((a, b) => a - b)
            .map(times => (
              <option value={times}>{times}×</option>
            ))}
          <option value="max">max</option>
        </select>
      </label>
      <span>
        {state}
        {time !== undefined && ` at ${day(time, zone.value)} ${clock(time, zone.value)}`}
      </span>
    </fieldset>
  )
}
