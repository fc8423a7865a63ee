import type { BacktestResult } from './backtest.ts'
import { type Metrics, metricsOf } from './metrics.ts'

/** What stands above the report besides its figures. */
export interface ReportWords {
  /** Where the events came from: `the store in .tickwire`. */
  readonly data: string
}

/** All of a run as plain data, with its figures. */
export const reportJson = (result: BacktestResult, words: ReportWords): string =>
  JSON.stringify({ ...words, ...result, metrics: metricsOf(result) }, null, 2)

/** One self-contained page: it asks nobody for anything. */
export function reportHtml(result: BacktestResult, words: ReportWords): string {
  const metrics = metricsOf(result)
  const { name, symbols, seed, params, startCash, endEquity, events, equity } = result
  const [from, to] = [equity[0]?.[0] ?? result.from, equity.at(-1)?.[0] ?? result.to]
  const title = `Backtest of ${name} on ${symbols.join(', ')}`
  const nature = result.nature ? `<strong class="nature">${result.nature}</strong> ` : ''
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${text(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>${STYLE}</style></head><body><main>
<h1>${text(title)}</h1>
<p>${nature}BACKTEST on paper, ${day(from)} to ${day(to)} (UTC), ${events.toLocaleString('en-US')} events from ${text(words.data)}.
Parameters ${text(JSON.stringify(params))}, seed ${seed}. ${money(startCash)} became ${money(endEquity)}.</p>
${figures(metrics)}
<h2>Equity</h2>${equityChart(result)}
<h2>Drawdown</h2>${drawdownChart(result)}
${Object.keys(result.prices)
  .map(symbol => `<h2>${text(symbol)}: trades</h2>${tradeChart(result, symbol)}`)
  .join('\n')}
<h2>Months</h2>${monthTable(metrics)}
<h2>Round trips</h2>${tripTable(result)}
<h2>Refused orders</h2>${refusedTable(result)}
</main></body></html>
`
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1d2330;--dim:#5c6472;--line:#d5d9e0;--back:#fff;--up:#0a7d4b;--down:#b3261e;--main:#2457c5}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#9aa3b2;--line:#333a47;--back:#14171d;--up:#4cc38a;--down:#ff7a70;--main:#7ba7ff}}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:22px}h2{font-size:16px;margin-top:32px}
.nature{background:var(--down);color:var(--back);padding:1px 6px;border-radius:3px}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:8px;margin:16px 0}
dl div{border:1px solid var(--line);border-radius:6px;padding:8px 10px}
dt{color:var(--dim);font-size:12px}dd{margin:0;font-size:18px;font-variant-numeric:tabular-nums}
svg{width:100%;height:auto;display:block}svg text{fill:var(--dim);font-size:11px}
.axis{stroke:var(--line)}.curve{fill:none;stroke:var(--main);stroke-width:1.5}.loss{fill:var(--down);opacity:.35}
.buy{fill:var(--up)}.sell{fill:var(--down)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{text-align:right;padding:3px 8px;border-bottom:1px solid var(--line)}td:first-child,th:first-child{text-align:left}
.up{color:var(--up)}.down{color:var(--down)}`

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' },
}
const text = (raw: string) => raw.replace(/[&<>"']/g, sign => ESCAPES[sign]!)
const day = (at: number) => new Date(at).toISOString().slice(0, 10)
const moment = (at: number) => new Date(at).toISOString().slice(0, 19).replace('T', ' ')
const money = (value: number) =>
  value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const percent = (share: number) => `${share > 0 ? '+' : ''}${(share * 100).toFixed(2)} %`
const ratio = (value: number | undefined) => (value === undefined ? '–' : value.toFixed(2))
const signed = (value: number) =>
  `<span class="${value < 0 ? 'down' : 'up'}">${value < 0 ? '' : '+'}${money(value)}</span>`

function figures(metrics: Metrics): string {
  const { hitRate } = metrics
  const rows = [
    ['Return', percent(metrics.totalReturn)],
    ['Worst drawdown', `${(metrics.maxDrawdown * 100).toFixed(2)} %`],
    ['Sharpe', ratio(metrics.sharpe)],
    ['Sortino', ratio(metrics.sortino)],
    ['Round trips', String(metrics.trips)],
    ['Won', hitRate === undefined ? '–' : `${(hitRate * 100).toFixed(1)} %`],
    ['Turnover', `${metrics.turnover.toFixed(1)}×`],
    ['Exposure', `${(metrics.exposure * 100).toFixed(1)} %`],
    ['Fees', money(metrics.fees)],
  ]
  return `<dl>${rows.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl>`
}

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [960, 240, 84, 20]

interface Scale {
  x(at: number): number
  y(value: number): number
  readonly frame: string
}

/** The room a chart draws in, with its least, middle and greatest value and its first and last day. */
function scaleOf(times: readonly number[], values: readonly number[], height = HEIGHT): Scale {
  const [from, to] = [times[0]!, times.at(-1)!]
  const [low, high] = [
    values.reduce((a, b) => Math.min(a, b)),
    values.reduce((a, b) => Math.max(a, b)),
  ]
  const room = height - BOTTOM - 8
  const x = (at: number) => LEFT + ((at - from) / (to - from || 1)) * (WIDTH - LEFT - 8)
  const y = (value: number) => 8 + room - ((value - low) / (high - low || 1)) * room
  const marks = [low, (low + high) / 2, high].map(
    value =>
      `<line class="axis" x1="${LEFT}" x2="${WIDTH}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/>` +
      `<text x="${LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${money(value)}</text>`,
  )
  const days = `<text x="${LEFT}" y="${height - 4}">${moment(from)}</text><text x="${WIDTH - 8}" y="${height - 4}" text-anchor="end">${moment(to)}</text>`
  return { x, y, frame: marks.join('') + days }
}

const svg = (title: string, inside: string, height = HEIGHT) =>
  `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${text(title)}">${inside}</svg>`

const curve = (points: readonly (readonly [number, number])[]) =>
  `<path class="curve" d="M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L')}"/>`

const NOTHING = '<p>Nothing.</p>'

function equityChart({ equity }: BacktestResult): string {
  if (equity.length < 2) return NOTHING
  const { x, y, frame } = scaleOf(
    equity.map(([at]) => at),
    equity.map(([, value]) => value),
  )
  return svg('Equity', frame + curve(equity.map(([at, value]) => [x(at), y(value)] as const)))
}

function drawdownChart({ equity }: BacktestResult): string {
  if (equity.length < 2) return NOTHING
  let top = Number.NEGATIVE_INFINITY
  const falls = equity.map(([at, value]) => {
    top = Math.max(top, value)
    return [at, ((value - top) / top) * 100] as const
  })
  const height = 140
  const { x, y, frame } = scaleOf(
    falls.map(([at]) => at),
    [...falls.map(([, fall]) => fall), 0],
    height,
  )
  const points = falls.map(([at, fall]) => `${x(at).toFixed(1)} ${y(fall).toFixed(1)}`).join('L')
  const [first, last] = [x(falls[0]![0]).toFixed(1), x(falls.at(-1)![0]).toFixed(1)]
  const zero = y(0).toFixed(1)
  const area = `<path class="loss" d="M${first} ${zero}L${points}L${last} ${zero}Z"/>`
  return svg('Drawdown in percent', frame + area, height)
}

function tradeChart({ equity, prices, fills }: BacktestResult, symbol: string): string {
  const points = equity.flatMap(([at], i) => {
    const price = prices[symbol]![i]
    return price === null || price === undefined ? [] : [[at, price] as const]
  })
  const own = fills.filter(fill => fill.symbol === symbol)
  if (points.length < 2) return NOTHING
  const { x, y, frame } = scaleOf(
    points.map(([at]) => at),
    [...points.map(([, price]) => price), ...own.map(({ price }) => price)],
  )
  const marks = own.map(({ side, price, quantity, timestamp }) => {
    const [px, py] = [x(timestamp), y(price)]
    const tip = side === 'buy' ? 6 : -6
    const shape = `M${px.toFixed(1)} ${py.toFixed(1)}l-4 ${tip}h8Z`
    return `<path class="${side}" d="${shape}"><title>${side} ${quantity} at ${price}, ${moment(timestamp)}</title></path>`
  })
  const line = curve(points.map(([at, price]) => [x(at), y(price)] as const))
  return svg(`Prices and fills of ${symbol}`, frame + line + marks.join(''))
}

const table = (heads: readonly string[], rows: readonly (readonly string[])[]) =>
  rows.length === 0
    ? NOTHING
    : `<table><thead><tr>${heads.map(head => `<th>${head}</th>`).join('')}</tr></thead><tbody>${rows
        .map(row => `<tr>${row.map(cell => `<td>${cell}</td>`).join('')}</tr>`)
        .join('')}</tbody></table>`

const monthTable = ({ months }: Metrics) =>
  table(
    ['Month', 'Return'],
    months.map(one => [one.month, percent(one.return)]),
  )

/** Rows that stand in the page; the rest is in the JSON form. */
const MOST_ROWS = 500

function tripTable({ trips }: BacktestResult): string {
  const rows = trips
    .slice(0, MOST_ROWS)
    .map(trip => [
      `${text(trip.symbol)} ${trip.side}`,
      moment(trip.openedAt),
      moment(trip.closedAt),
      String(trip.quantity),
      signed(trip.made),
      money(trip.fees),
    ])
  const heads = ['Symbol', 'Opened (UTC)', 'Closed (UTC)', 'Quantity', 'Made', 'Fees']
  return table(heads, rows) + cut(trips.length)
}

function refusedTable({ refused }: BacktestResult): string {
  const rows = refused
    .slice(0, MOST_ROWS)
    .map(({ at, refusal: { request, code, message } }) => [
      moment(at),
      `${request.side} ${request.quantity} ${text(request.symbol)}`,
      code,
      text(message),
    ])
  return table(['When (UTC)', 'Order', 'Code', 'Why'], rows) + cut(refused.length)
}

const cut = (count: number) =>
  count > MOST_ROWS ? `<p>${count - MOST_ROWS} more are in the JSON form.</p>` : ''
