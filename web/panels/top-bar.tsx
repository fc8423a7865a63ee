import { clock, placeOf } from '../format.ts'
import { nextTheme, theme } from '../settings.ts'
import { dialog, nextZone, now, status, zone, zoneChoice } from '../state.ts'
import { ReplayBar } from './replay.tsx'

const WORDS = {
  connecting: 'connecting',
  open: 'connected',
  waiting: 'no connection',
  closed: 'disconnected',
} as const

export function TopBar() {
  const { state, reason, sources, noPast } = status.value
  return (
    <header class="top">
      <h1>
        <img src="/icon.svg" alt="" width="20" height="20" /> tickwire
      </h1>
      <Nature />
      <p class="source">{sources.join(', ')}</p>
      <p class={`link ${state}`} role="status">
        <i aria-hidden="true" />
        <span>{WORDS[state]}</span>
      </p>
      <span class="gap" />
      <ReplayBar />
      <button
        type="button"
        class="clock"
        title="Key Z: UTC, local time, time of the exchange"
        onClick={nextZone}
      >
        {clock(now.value, zone.value)} {placeOf(zone.value)}
        {zoneChoice.value !== 'utc' && <span class="soft"> {zoneChoice.value}</span>}
      </button>
      <button type="button" onClick={() => void (dialog.value = 'palette')}>
        <span class="wide">Find </span>
        <kbd>/</kbd>
      </button>
      <button
        type="button"
        aria-label={theme.value === 'dark' ? 'Light colours' : 'Dark colours'}
        onClick={nextTheme}
      >
        {theme.value === 'dark' ? '☀' : '☾'}
      </button>
      <button
        type="button"
        class="wide"
        aria-label="Keys"
        onClick={() => void (dialog.value = 'help')}
      >
        <kbd>?</kbd>
      </button>
      {reason && <p class="trouble" role="alert">{`${reason} What is shown is as it last was.`}</p>}
      {!reason && noPast && (
        <p class="trouble">{`No past: ${noPast} What is shown counts from now.`}</p>
      )}
    </header>
  )
}

/** Invented, past and late prices never pass for live ones. */
export function Nature() {
  const { banner } = status.value
  if (banner === undefined) return null
  const [word, ...rest] = banner.split(':')
  return (
    <p class="nature" title={banner}>
      <b>{word}</b>
      <span class="wide">{rest.join(':')}</span>
    </p>
  )
}
