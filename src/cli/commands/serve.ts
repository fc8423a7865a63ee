import type { Surroundings } from '../config.ts'
import type { Listen, PortFlags } from '../serving.ts'
import { type UpFlags, up } from './up.ts'

export interface ServeFlags extends UpFlags, PortFlags {
  readonly listen?: Listen
}

/** `tickwire serve`: what `tickwire up` does, and lets other programs read along. Resolves with the exit code. */
export function serve(
  words: readonly string[],
  flags: ServeFlags,
  around: Surroundings,
): Promise<number> {
  return up(words, flags, around, true)
}
