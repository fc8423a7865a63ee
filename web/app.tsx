import { Chart } from './panels/chart.tsx'
import { DepthPanel } from './panels/depth.tsx'
import { HealthPanel } from './panels/health.tsx'
import { Help } from './panels/help.tsx'
import { Inspector } from './panels/inspector.tsx'
import { KeyForm } from './panels/key-form.tsx'
import { LadderPanel } from './panels/ladder.tsx'
import { Palette } from './panels/palette.tsx'
import { Summary } from './panels/summary.tsx'
import { TopBar } from './panels/top-bar.tsx'
import { Trades } from './panels/trades.tsx'
import { Watchlist } from './panels/watchlist.tsx'
import { dialog, panels, status, tab } from './state.ts'
import type { PanelName } from './view.ts'

const TABS = [
  ['watch', 'List'],
  ['chart', 'Chart'],
  ['trades', 'Trades'],
  ['book', 'Book'],
  ['health', 'Health'],
] as const

export function App() {
  return (
    <div
      class="desk"
      data-tab={tab.value}
      data-state={status.value.state}
      data-panels={panels.value.join(' ')}
    >
      <TopBar />
      <main style={gridOf(panels.value)}>
        <Watchlist />
        <Chart />
        <div class="side">
          <LadderPanel />
          <DepthPanel />
          <Trades />
        </div>
        <HealthPanel />
      </main>
      <Summary />
      <nav class="tabs" aria-label="Panels">
        {TABS.map(([name, title]) => (
          <button
            type="button"
            aria-current={tab.value === name ? 'page' : undefined}
            onClick={() => void (tab.value = name)}
          >
            {title}
          </button>
        ))}
      </nav>
      {status.value.needsKey && <KeyForm />}
      {dialog.value === 'help' && <Help />}
      {dialog.value === 'palette' && <Palette />}
      {dialog.value === 'inspector' && <Inspector />}
    </div>
  )
}

/** Columns of a wide screen: what is hidden leaves its room to the others. */
function gridOf(shown: readonly PanelName[]) {
  const has = (...names: PanelName[]) => names.some(name => shown.includes(name))
  const left = has('watch', 'health')
  const columns = [
    ...(left ? [has('chart') ? 'var(--list)' : 'minmax(0, 1fr)'] : []),
    ...(has('chart') ? ['minmax(0, 1fr)'] : []),
    ...(has('book', 'depth', 'trades')
      ? [left || has('chart') ? 'var(--side)' : 'minmax(0, 1fr)']
      : []),
  ]
  const row = (first: PanelName) => [
    ...(left ? [first] : []),
    ...(has('chart') ? ['chart'] : []),
    ...(has('book', 'depth', 'trades') ? ['side'] : []),
  ]
  const rows = [row(has('watch') ? 'watch' : 'health'), row(has('health') ? 'health' : 'watch')]
  return {
    '--columns': columns.join(' '),
    '--areas': rows.map(names => `"${names.join(' ')}"`).join(' '),
  }
}
