import { amount, clock, lag, span } from '../format.ts'
import { dialog, health, now, zone } from '../state.ts'
import type { Happening, Health, LedgerLine, SourceHealth } from '../wire.ts'

export function HealthPanel() {
  const state = health.value
  return (
    <section class="panel health" aria-label="Feed health">
      <div class="head">
        <h2>Feed health</h2>
        {state?.failure && <p class="failure">{`may be old: ${state.failure}`}</p>}
        {state && (
          <p class="tools">
            <button
              type="button"
              title="Key I: what the venue sent, beside what it was taken to say"
              onClick={() => void (dialog.value = 'inspector')}
            >
              frames
            </button>
            <button type="button" title="The account of the day" onClick={() => save(state.ledger)}>
              CSV
            </button>
          </p>
        )}
      </div>
      {state ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
        <div class="cards" tabIndex={0} data-old={state.failure !== undefined}>
          {state.sources.map(source => (
            <SourceCard key={source.source} source={source} startedAt={state.startedAt} />
          ))}
          <TapeCard state={state} />
          <Ledger lines={state.ledger} />
        </div>
      ) : (
        <p class="empty">Asking the gateway …</p>
      )}
    </section>
  )
}

function TapeCard({ state }: { state: Health }) {
  const { clients } = state
  const count = Object.values(clients.byProtocol).reduce((sum, it) => sum + it, 0)
  const kinds = Object.entries(clients.byProtocol).filter(([, it]) => it > 0)
  return (
    <article class="card">
      <h3>Tape, stores, clients</h3>
      <dl>
        <Fact
          name="events a second"
          value={amount(state.rate === undefined ? undefined : Math.round(state.rate))}
        />
        <Fact name="newest number" value={state.seq.toLocaleString('en-US')} />
        <Fact
          name="recording"
          value={state.isRecording ? 'yes' : 'no'}
          isBad={!state.isRecording}
        />
        {state.stores.map(({ name, state: how, behind }) => (
          <Fact
            name={`store ${name}`}
            value={behind > 0 ? `${amount(behind)} behind` : how}
            isBad={behind > 10_000}
          />
        ))}
        <Fact
          name="clients"
          value={`${count}`}
          title={kinds.map(([name, it]) => `${it} ${name}`).join(', ')}
        />
        <Fact name="slow clients" value={`${clients.slow}`} isBad={clients.slow > 0} />
        <Fact name="they lost" value={amount(clients.dropped)} isBad={clients.dropped > 0} />
        <Fact name="merged for them" value={amount(clients.conflated)} />
      </dl>
    </article>
  )
}

function SourceCard({ source, startedAt }: { source: SourceHealth; startedAt: number }) {
  const { state, reason, lag: lags, since, connects, rate, bytesRate } = source
  return (
    <article class="card" data-state={state}>
      <h3>
        <i aria-hidden="true" /> {source.source} <b>{state}</b>
        <span>{reason}</span>
      </h3>
      <Timeline happenings={source.timeline} startedAt={startedAt} />
      <dl>
        <Fact
          name="lag p50 / p95 / p99"
          value={[lags?.p50, lags?.p95, lags?.p99].map(lag).join(' / ')}
        />
        <Fact
          name={connects > 1 ? `up, ${connects - 1} reconnects` : 'up'}
          value={since === undefined ? '–' : span(now.value - since)}
          title={source.lost}
        />
        <Fact name="events a second" value={rate === undefined ? '–' : amount(Math.round(rate))} />
        {bytesRate !== undefined && (
          <Fact name="bytes a second" value={amount(Math.round(bytesRate))} />
        )}
        <Fact name="received today" value={amount(source.received)} />
        <Fact name="gaps open" value={`${source.openGaps}`} isBad={source.openGaps > 0} />
        <Fact name="gaps today" value={`${source.gaps}`} />
        <Fact name="repaired" value={`${source.repaired}`} />
        <Fact name="not repaired" value={`${source.unrepaired}`} isBad={source.unrepaired > 0} />
        <Fact name="books anew, 1 h" value={`${source.resyncs}`} />
        <Fact name="came twice" value={amount(source.duplicates)} />
        <Fact
          name="could not be true"
          value={`${source.quarantined}`}
          isBad={source.quarantined > 0}
        />
        <Fact
          name="dropped"
          value={amount(source.dropped)}
          isBad={source.dropped > 0}
          title={source.slow.map(([who, count]) => `${who}: ${count}`).join(', ')}
        />
      </dl>
      {source.use.length > 0 && <p class="soft">in use: {source.use.join(', ')}</p>}
    </article>
  )
}

const HOUR_MS = 3_600_000
/** What stands from one notice to the next. */
const AFTER: Readonly<Record<string, string>> = {
  connected: 'up',
  live: 'up',
  disconnected: 'off',
  stale: 'stale',
  quiet: 'quiet',
}

interface Stretch {
  readonly from: number
  readonly to: number
  readonly is: string
}

/** The last hour of a source: up, off, stale; holes as ticks. */
function Timeline({
  happenings,
  startedAt,
}: {
  happenings: readonly Happening[]
  startedAt: number
}) {
  const end = now.value
  const from = end - HOUR_MS
  const place = (at: number) => Math.max(0, Math.min(100, ((at - from) / HOUR_MS) * 100))
  // Quiet and stale are of symbols; the line is of the source.
  const turns = happenings.filter(({ notice }) => notice in AFTER)
  const stretches: Stretch[] = turns.map(({ at, notice }, i) => ({
    from: at,
    to: turns[i + 1]?.at ?? end,
    is: AFTER[notice]!,
  }))
  const first = stretches[0]?.from ?? end
  const known = Math.max(from, startedAt)
  if (first > known) {
    const wasUp = turns.length === 0 || turns[0]!.notice !== 'connected'
    stretches.unshift({ from: known, to: first, is: wasUp ? 'up' : 'off' })
  }
  const holes = happenings.filter(({ notice }) => notice === 'gap')
  const losses = turns.filter(({ notice }) => notice === 'disconnected')
  const words = `The last hour: ${losses.length} connections lost, ${holes.length} holes. ${losses
    .slice(-3)
    .map(({ at, message }) => `${clock(at, zone.value)} ${message}`)
    .join('; ')}`
  return (
    <div class="timeline" role="img" aria-label={words} title={words}>
      {stretches.map(stretch => (
        <i
          class={stretch.is}
          style={{
            left: `${place(stretch.from)}%`,
            width: `${Math.max(0.3, place(stretch.to) - place(stretch.from))}%`,
          }}
        />
      ))}
      {holes.map(({ at }) => (
        <i class="hole" style={{ left: `${place(at)}%` }} />
      ))}
      <span>1 h</span>
    </div>
  )
}

function Ledger({ lines }: { lines: readonly LedgerLine[] }) {
  if (lines.length === 0) return null
  const trouble = (it: LedgerLine) => it.gaps + it.quarantined + it.dropped
  const sorted = [...lines].sort((a, b) => trouble(b) - trouble(a) || b.received - a.received)
  return (
    <article class="card ledger">
      <h3>Account of the day</h3>
      <table>
        <thead>
          <tr>
            {['symbol', 'kind', 'received', 'gaps', 'filled', 'twice', 'untrue'].map(name => (
              <th>{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, 40).map(it => (
            <tr key={`${it.source} ${it.symbol} ${it.kind}`}>
              <th scope="row">{it.symbol}</th>
              <td>{it.kind}</td>
              <td>{amount(it.received)}</td>
              <td>{it.gaps}</td>
              <td>{it.gapsRepaired}</td>
              <td>{it.duplicates}</td>
              <td>{it.quarantined}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </article>
  )
}

/** Gives the account of the day to whoever wants it in a table of their own. */
function save(lines: readonly LedgerLine[]): void {
  const names = [
    ...(['source', 'symbol', 'kind', 'received', 'repaired', 'duplicates'] as const),
    ...(['quarantined', 'dropped', 'gaps', 'gapsRepaired', 'gapsUnrepaired'] as const),
  ]
  const cell = (value: string | number) =>
    /[",\n]/.test(`${value}`) ? `"${`${value}`.replaceAll('"', '""')}"` : `${value}`
  const text = [names.join(','), ...lines.map(it => names.map(name => cell(it[name])).join(','))]
  const url = URL.createObjectURL(new Blob([`${text.join('\n')}\n`], { type: 'text/csv' }))
  const link = document.createElement('a')
  link.href = url
  link.download = `tickwire-ledger-${new Date().toISOString().slice(0, 10)}.csv`
  link.click()
  URL.revokeObjectURL(url)
}

interface FactProps {
  readonly name: string
  readonly value: string
  readonly isBad?: boolean
  readonly title?: string | undefined
}

function Fact({ name, value, isBad = false, title }: FactProps) {
  return (
    <div class={isBad ? 'bad' : undefined} title={title}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}
