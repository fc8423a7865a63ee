// `npm run docs`: writes docs/providers/README.md from what the providers say of themselves, and docs/metrics.md from the
// metrics. Tests fail while they are stale.
import { writeFileSync } from 'node:fs'
import { asPage, compareProviders } from '../src/cli/comparison.ts'
import { metricsPage } from './metrics-page.ts'

const write = (path: string, page: string) =>
  writeFileSync(new URL(`../docs/${path}`, import.meta.url), page)

write('providers/README.md', asPage(compareProviders()))
write('metrics.md', await metricsPage())
