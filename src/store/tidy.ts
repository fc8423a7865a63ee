import { rm } from 'node:fs/promises'
import { asError } from '../base/errors.ts'
import { putTogether } from './compact.ts'
import type { Session } from './duckdb.ts'
import type { Part } from './manifest.ts'
import type { Note, Parts } from './parts.ts'
import { type Repeats, standingFor } from './repeats.ts'

export interface TidierOptions {
  readonly parts: Parts
  readonly repeats: Repeats
  /** Takes what is to be told. */
  readonly notes: Note[]
  /** By tape: up to where it is stored. */
  readonly positions: () => { readonly [tape: string]: number }
  /** Brings the tables in line with the manifest. */
  readonly settle: () => Promise<void>
  /** Does something while no rows are held against parts. */
  readonly steadily: <T>(work: () => Promise<T>) => Promise<T>
  readonly isEnding: () => boolean
}

/** Puts parts of a kind and day together. */
export class Tidier {
  readonly #options: TidierOptions
  /** The newest of parts that could not be put together. */
  readonly #untidy = new Set<string>()

  constructor(options: TidierOptions) {
    this.#options = options
  }

  /** As a rule picks them. Gives how many files are fewer. */
  async tidy(session: Session, pick: (parts: readonly Part[]) => readonly Part[]): Promise<number> {
    const { parts, positions, notes, steadily, isEnding } = this.#options
    let gone = 0
    await parts.removeRetired(Date.now())
    for (const all of parts.byDay()) {
      if (isEnding()) break
      const standing = await standingFor(session)
      const others = pick(all).filter(({ path }) => !standing.has(path))
      if (others.length < 2 || !this.#isWorthIt(others)) continue
      const { kind, day } = others[0]!
      try {
        const part = await putTogether(session, parts, others, positions())
        if (!(await steadily(() => this.#takePlace(session, others, part)))) continue
        gone += others.length - 1
        const { path, rows, bytes } = part
        const fields = { path, files: others.length, rows, bytes }
        notes.push({ level: 'info', fields, message: 'files of a day are put together' })
      } catch (error) {
        if (isEnding()) break
        // Said once, and tried again when there are more.
        this.#untidy.add(others.at(-1)!.path)
        const message = `the files of ${kind} of ${day} cannot be put together: ${asError(error).message}`
        notes.push({ level: 'warn', fields: { kind, day }, message })
      }
    }
    return gone
  }

  #isWorthIt(others: readonly Part[]): boolean {
    return (
      !this.#untidy.has(others.at(-1)!.path) &&
      others.every(part => this.#options.parts.isWhole(part))
    )
  }

  /** Lets a part stand for others, unless one of them has come to stand for rows of a tape meanwhile. */
  async #takePlace(session: Session, others: readonly Part[], part: Part): Promise<boolean> {
    const { parts, repeats, settle } = this.#options
    const standing = await standingFor(session)
    if (others.some(({ path }) => standing.has(path))) {
      await rm(parts.pathOf(part), { force: true })
      return false
    }
    await parts.replace(others, part, Date.now())
    await settle()
    repeats.replaced(others, part)
    return true
  }
}
