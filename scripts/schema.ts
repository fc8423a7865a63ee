// `npm run schema`: writes schema/event.json from src/market/schema.ts. A test fails while it is stale.
import { mkdirSync, writeFileSync } from 'node:fs'
import { jsonSchema } from '../src/market/schema.ts'

const folder = new URL('../schema/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('event.json', folder), `${JSON.stringify(jsonSchema(), undefined, 2)}\n`)
