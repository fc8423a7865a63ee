import type { OlderCursor, OlderLog } from '../reading.ts'
import type { Catalog } from './catalog.ts'
import { FileCursor } from './cursor.ts'

/** The part of a tape that is in its files. */
export class OlderFiles implements OlderLog {
  readonly #catalog: Catalog
  readonly isLost: (seq: number) => boolean

  /** `isLost` says what will not be found here. */
  constructor(catalog: Catalog, isLost: (seq: number) => boolean) {
    this.#catalog = catalog
    this.isLost = isLost
  }

  async beginOf(seq: number): Promise<number | undefined> {
    return (await this.#catalog.find(seq))?.first
  }

  open(seq: number): OlderCursor {
    return new FileCursor(this.#catalog, seq)
  }

  async firstAt(time: number): Promise<number | undefined> {
    const start = await this.#begin(time)
    if (start === undefined) return undefined
    const cursor = this.open(start)
    try {
      for (;;) {
        const got = await cursor.next(Number.MAX_SAFE_INTEGER, 0)
        if (!got) return undefined
        for (const event of got.events) if (event.receivedAt >= time) return event.seq!
      }
    } finally {
      cursor.close()
    }
  }

  /** A number before which nothing was received at `time` or later. */
  async #begin(time: number): Promise<number | undefined> {
    const { segments } = this.#catalog
    for (const segment of [...segments].reverse()) {
      const header = await this.#catalog.headerOf(segment)
      if (!header || !(header.highest < time)) continue
      const entry = await this.#catalog.entryAt(segment, time)
      return entry?.first ?? segment.first
    }
    return segments[0]?.first
  }
}
