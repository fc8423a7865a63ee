import { statSync } from 'node:fs'
import { asError } from '../base/errors.ts'

/** Tells whether a file is another one than before, or has become one or none. */
export function stampOf(path: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(path)
    return `${ino} ${mtimeMs} ${size}`
  } catch (error) {
    return asError(error).message
  }
}
