// `npm run schema`: writes what is in schema/. A test fails while it is stale.
import { mkdirSync, writeFileSync } from 'node:fs'
import { jsonSchema } from '../src/market/schema.ts'
import { jsonConfigJsonSchema } from '../src/providers/json/config.ts'
import { nativeJsonSchema } from '../src/providers/tickwire/codec.ts'

const folder = new URL('../schema/', import.meta.url)
mkdirSync(folder, { recursive: true })
const schemas = {
  event: jsonSchema(),
  'json-provider': jsonConfigJsonSchema(),
  native: nativeJsonSchema(),
}
for (const [name, schema] of Object.entries(schemas)) {
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(schema, undefined, 2)}\n`)
}
