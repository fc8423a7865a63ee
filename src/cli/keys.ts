export type Key = 'space' | 'right' | 'faster' | 'slower' | 'back' | 'forward' | 'quit'

const KEYS: Readonly<Record<string, Key>> = {
  ' ': 'space',
  n: 'right',
  '\x1b[C': 'right',
  '+': 'faster',
  '=': 'faster',
  '-': 'slower',
  '[': 'back',
  ']': 'forward',
  q: 'quit',
}
const CTRL_C = '\x03'

/** Reads keys from a terminal until the signal; false when standard input is none. Ctrl-C stays an interrupt. */
export function readKeys(signal: AbortSignal, press: (key: Key) => void): boolean {
  const { stdin } = process
  if (!stdin.isTTY || !process.stdout.isTTY) return false
  const read = (text: string) => {
    if (text === CTRL_C) process.kill(process.pid, 'SIGINT')
    const key = KEYS[text]
    if (key) press(key)
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
