export type Key = 'space' | 'right' | 'faster' | 'slower' | 'back' | 'forward' | 'quit'

const INTERRUPT = 'interrupt'

const KEYS: Readonly<Record<string, Key | typeof INTERRUPT>> = {
  ' ': 'space',
  n: 'right',
  '\x1b[C': 'right',
  // From a terminal whose arrow keys are in the mode of applications.
  '\x1bOC': 'right',
  '+': 'faster',
  '=': 'faster',
  '-': 'slower',
  '[': 'back',
  ']': 'forward',
  q: 'quit',
  '\x03': INTERRUPT,
}

/** A key as a terminal sends it: the sequence of a key that has no character, Alt with a key, or a character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals speak in them
export const ONE_KEY = /\x1b\[[\d;?]*[ -/]*[@-~]|\x1bO[@-~]|\x1b?[^\x1b]|\x1b/gu

/** The keys in what came from a terminal: those pressed quickly, or held, come together. Others are left out. */
export function parseKeys(text: string): (Key | typeof INTERRUPT)[] {
  return (text.match(ONE_KEY) ?? []).flatMap(one => KEYS[one] ?? [])
}

/** Whether there is a terminal to read keys from, and one to show what they do. */
export function hasKeys(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY
}

/** Reads keys from a terminal until the signal; false when there is none. Ctrl-C stays an interrupt. */
export function readKeys(signal: AbortSignal, press: (key: Key) => void): boolean {
  if (!hasKeys()) return false
  const { stdin } = process
  const read = (text: string) => {
    for (const key of parseKeys(text)) {
      if (key === INTERRUPT) process.kill(process.pid, 'SIGINT')
      else press(key)
    }
  }
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  stdin.on('data', read)
  stdin.resume()
  signal.addEventListener('abort', () => {
    stdin.off('data', read)
    stdin.setRawMode(false)
    stdin.pause()
  })
  return true
}
