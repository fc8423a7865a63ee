import type { Position, Reader, Sink } from '../flow/contracts.ts'

/**
 * One ordered, numbered log of everything a source said. `append` numbers the events (`seq`, from 1, never
 * reused); a reader starts anywhere and goes on live without hole or repeat, and never delays the writer.
 */
export interface Tape extends Sink, TapeReader {}

/**
 * The reading side of a tape. A reader at a position the tape cannot serve is told so in its stream, before anything
 * else: `skipped` with the exact count when retention or damage has taken the events, `reset` when the position is of
 * another tape.
 */
export interface TapeReader extends Reader {
  /** Random id made with the log: positions of one tape mean nothing on another. */
  readonly id: string
  /** Before the oldest event still held. */
  readonly start: Position
  /** Behind the newest event. */
  readonly end: Position
  /** Behind the newest event that outlives the process; on a tape in memory the same as `end`. */
  readonly written: Position
  /** Ends all readers once they have seen what is there. */
  close(): Promise<void>
}
