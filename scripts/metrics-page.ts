import { type CatalogueEntry, Metrics } from '../src/gateway/metrics.ts'

const HEAD = `# Metrics

\`tickwire serve\` tells Prometheus at \`/metrics\` how it is. On loopback nobody needs a key for that; elsewhere one with the scope
\`read\`, as a bearer token:

\`\`\`yaml
scrape_configs:
  - job_name: tickwire
    authorization: { credentials_file: /etc/prometheus/tickwire.key }
    static_configs: [{ targets: ['ticks.example.com:8425'] }]
\`\`\`

\`docker compose --profile metrics up\` starts a Prometheus (with the alarms of \`deploy/prometheus/alarms.yaml\`) and a Grafana (with
the dashboard of \`deploy/grafana/tickwire.json\`) beside a gateway on the same machine. No metric has a symbol as a label: a
thousand symbols would be as many series. What came of each symbol is in \`tickwire ledger\` and at \`/v1/ledger\`.

This page is made of the metrics themselves (\`npm run docs\`).

| metric | type | labels | meaning |
|---|---|---|---|
`

const TAIL = `
Beside these there are Node's own, which begin with \`process_\` and \`nodejs_\`: memory, CPU, delay of the event loop, collections.
`

/** The page of all metrics: what `npm run docs` writes to docs/metrics.md. */
export async function metricsPage(): Promise<string> {
  return HEAD + (await new Metrics().catalogue()).map(rowOf).join('') + TAIL
}

function rowOf({ name, type, labels, help }: CatalogueEntry): string {
  const words = labels.map(label => `\`${label}\``).join(' ')
  return `| \`${name}\` | ${type} | ${words} | ${help} |\n`
}
