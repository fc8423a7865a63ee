const ENTER = '\x1b[?1049h\x1b[?25l\x1b[2J'
const LEAVE = '\x1b[?25h\x1b[?1049l'

/**
 * The whole terminal, on its second screen, so that what was printed before is there again afterwards. Of each picture
 * only the lines that differ from those before are written. It leaves on every way out: `exit` also covers an error
 * nobody caught.
 */
export class WatchScreen {
  readonly #write: (text: string) => void
  #shown: readonly string[] = []
  #isOpen = false

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#shown = []
    process.on('exit', this.#leave)
    this.#write(ENTER)
  }

  paint(lines: readonly string[]): void {
    if (!this.#isOpen) return
    let text = ''
    for (let i = 0; i < Math.max(lines.length, this.#shown.length); i++) {
      if (lines[i] === this.#shown[i]) continue
      text += `\x1b[${i + 1};1H${lines[i] ?? ''}\x1b[0m\x1b[K`
    }
    if (text !== '') this.#write(text)
    this.#shown = [...lines]
  }

  /** The terminal has another size: nothing of what is on it counts. */
  forget(): void {
    if (!this.#isOpen) return
    this.#shown = []
    this.#write('\x1b[2J')
  }

  close(): void {
    if (!this.#isOpen) return
    process.off('exit', this.#leave)
    this.#leave()
  }

  readonly #leave = (): void => {
    this.#isOpen = false
    this.#write(LEAVE)
  }
}
