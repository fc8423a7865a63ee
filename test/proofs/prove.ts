import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

/** Runs a proof compiled, in a process of its own. */
export async function prove(
  name: string,
  rounds: number,
  seed: number,
  ...more: readonly string[]
) {
  const args = [name, '--rounds', `${rounds}`, '--seed', `${seed}`, ...more]
  const child = spawn(process.execPath, ['scripts/prove.mjs', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gone = once(child, 'close')
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  await gone
  return { output: `${out}${errors}`, status: child.exitCode }
}
