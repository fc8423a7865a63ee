// Builds dist/ from src/: clean, one run of the compiler, the client for browsers as one module, and the dashboard from
// web/. No shell, so it runs the same on Windows.
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { bundleClient } from './bundle.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiler = join(
  dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
  'bin/tsc',
)

rmSync(join(root, 'dist'), { recursive: true, force: true })
const { status, error } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (error) throw error
if (status !== 0) process.exit(status ?? 1)
chmodSync(join(root, 'dist/cli/main.js'), 0o755)
await bundleClient(join(root, 'dist/client.js'))
await build({ configFile: join(root, 'web/vite.config.ts') })
