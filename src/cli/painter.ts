const HIDE = '\x1b[?25l'
const SHOW = '\x1b[?25h'
const CLEAR_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'

/**
 * Repaints a block of lines in place at the end of the terminal's text. What was printed before stays in the
 * scrollback, the last picture too. The cursor is hidden meanwhile and comes back on every way out.
 */
export class Painter {
  readonly #write: (text: string) => void
  #height = 0
  #hidden = false

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  paint(lines: readonly string[]): void {
    let text = ''
    if (!this.#hidden) {
      this.#hidden = true
      // `exit` also covers process.exit and an uncaught error.
      process.on('exit', this.#show)
      text += HIDE
    }
    if (this.#height > 0) text += `\x1b[${this.#height}A\r`
    text += lines.map(line => `${line}${CLEAR_LINE}\n`).join('')
    this.#write(text + CLEAR_BELOW)
    this.#height = lines.length
  }

  /** Leaves the last picture where it is and gives the cursor back. */
  close(): void {
    process.off('exit', this.#show)
    if (this.#hidden) this.#show()
  }

  readonly #show = (): void => {
    this.#hidden = false
    this.#write(SHOW)
  }
}
