import { createRequire } from 'node:module'
import { join } from 'node:path'

/**
 * A package of `bench/package.json`. `scripts/bench.mjs` installs these when a bench that imports this file is first run, so
 * that nobody else has to carry them.
 */
export function peer<T>(name: string): T {
  // Benches run from the root, compiled elsewhere: the package lies beside their sources.
  return createRequire(join(process.cwd(), 'bench/package.json'))(name) as T
}
