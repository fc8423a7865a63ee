#!/usr/bin/env node
import { surroundings } from './config.ts'
import { describeError, exitCodeOf, say } from './console.ts'
import { unwritable } from './output.ts'
import { runCommand } from './program.ts'

// Nobody is left to tell when stderr itself has gone away.
process.stderr.on('error', () => {})
// Help and tables are written here; events have their own way out, see Output.
process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
  if (cause.code === 'EPIPE') process.exit(0)
  const error = unwritable(cause)
  say(describeError(error, false))
  process.exit(exitCodeOf(error))
})
const exit = await runCommand(surroundings)
// A failed write is told in the next turn of the loop.
setImmediate(() => process.exit(exit))
