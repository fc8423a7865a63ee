import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { amount, clock } from '../format.ts'
import { inspect, status, zone } from '../state.ts'
import type { Chunk, Inspected } from '../wire.ts'
import { Dialog } from './dialog.tsx'

const EVERY_MS = 500
const KEPT = 40

/** What the venue sent, beside what it was taken to say. */
export function Inspector() {
  const source = useSignal(status.value.sources[0] ?? '')
  const chunks = useSignal<readonly Chunk[]>([])
  const last = useSignal<Inspected | undefined>(undefined)
  const isPaused = useSignal(false)
  const at = useSignal<number | undefined>(undefined)
  const copied = useSignal('')
  useEffect(() => {
    if (isPaused.value) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let isOver = false
    const look = async () => {
      const answer = await inspect(source.value, chunks.value.at(-1)?.id ?? 0)
      if (isOver) return
      last.value = answer
      chunks.value = [...chunks.value, ...answer.chunks].slice(-KEPT)
      timer = setTimeout(look, EVERY_MS)
    }
    void look()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [source.value, isPaused.value])
  const shown = chunks.value.find(({ id }) => id === at.value) ?? chunks.value.at(-1)
  const { failure, hasFrames = true } = last.value ?? {}
  return (
    <Dialog title="Frames" class="inspector">
      <div class="head">
        <h2>Frames</h2>
        <select
          aria-label="Source"
          value={source.value}
          onChange={event => {
            source.value = event.currentTarget.value
            chunks.value = []
            at.value = undefined
          }}
        >
          {status.value.sources.map(name => (
            <option value={name}>{name}</option>
          ))}
        </select>
        <button type="button" onClick={() => void (isPaused.value = !isPaused.value)}>
          {isPaused.value ? 'go on' : 'pause'}
        </button>
        <button
          type="button"
          disabled={!shown}
          onClick={() =>
            shown &&
            navigator.clipboard.writeText(fixtureOf(source.value, shown)).then(
              () => void (copied.value = 'copied'),
              error => void (copied.value = `not copied: ${(error as Error).message}`),
            )
          }
        >
          copy as fixture
        </button>
        <p role="status" class="soft">
          {failure ?? copied.value}
        </p>
      </div>
      <div class="both">
        <ol aria-label="What came, newest first">
          {chunks.value.toReversed().map(({ id, at: when, frames, events }) => (
            <li key={id}>
              <button
                type="button"
                aria-current={shown?.id === id ? 'true' : undefined}
                onClick={() => {
                  at.value = id
                  isPaused.value = true
                }}
              >
                {clock(when, zone.value, true)}{' '}
                {frames.length > 0 && `${amount(frames.reduce((sum, it) => sum + it.bytes, 0))} B `}
                {events.map(({ type }) => type)[0] ?? 'no event'}
                {events.length > 1 && ` +${events.length - 1}`}
              </button>
            </li>
          ))}
          {chunks.value.length === 0 && <li class="soft">Waiting for the next one …</li>}
        </ol>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys */}
        <section tabIndex={0} aria-label="As it came">
          {hasFrames
            ? shown?.frames.map(({ data }) => data).join('\n') ||
              (shown ? 'It came without a frame of its own.' : '')
            : 'This source has no frames: its events are made here.'}
        </section>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys */}
        <section tabIndex={0} aria-label="What it says">
          {shown?.events.map(event => JSON.stringify(event, undefined, 1)).join('\n')}
        </section>
      </div>
    </Dialog>
  )
}

/** As tests of a decoder want it: what came, and what is to come of it. */
const fixtureOf = (source: string, { at, frames, events }: Chunk) =>
  JSON.stringify({ source, receivedAt: at, frames, events }, undefined, 2)
