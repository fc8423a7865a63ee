// Compiles src/, bench/ and proofs/ to a folder: a loader that rewrites code while it loads it would slow what is
// measured, and each process that is started. Types are checked by `npm run types`.
import { spawnSync } from 'node:child_process'
import { copyFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export function compile(folder) {
  for (const name of ['src', 'bench', 'proofs'])
    rmSync(join(folder, name), { recursive: true, force: true })
  const compiler = join(
    dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
    'bin/tsc',
  )
  const args = [compiler, '-p', 'tsconfig.bench.json', '--noCheck', '--outDir', folder]
  const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
  // What says the version stands above the sources, here too.
  copyFileSync('package.json', join(folder, 'package.json'))
}
