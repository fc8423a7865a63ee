import { systemClock } from '../../base/clock.ts'
import { TickwireError } from '../../base/errors.ts'
import { HttpClient } from '../../base/http.ts'
import { openHttp } from '../../base/http-network.ts'
import { Quota } from '../../base/http-quota.ts'
import { webSockets } from '../../base/socket.ts'
import { connect } from '../../providers/tickwire/client-node.ts'
import { loadConfig, type Surroundings } from '../config.ts'
import { screenOf } from '../console.ts'
import { parseSymbols } from '../flags.ts'
import { hasKeys, ONE_KEY } from '../keys.ts'
import { type Paint, paint, sgr } from '../rows.ts'
import { Run } from '../run.ts'
import { conclude } from './stream.ts'
import { WatchDesk } from './watch-desk.ts'
import { PANES, picture } from './watch-picture.ts'
import { WatchScreen } from './watch-screen.ts'

const PAINT_MS = 100
const LOOK_MS = 2_000
/** What one who looks asks a gateway in a minute at most. */
const PER_MINUTE = 600

export interface WatchFlags {
  readonly url?: string
  readonly ascii?: boolean
  readonly config?: string
  readonly debug?: boolean
}

/** Foregrounds of up and down, as on the page. */
const SCHEMES = [
  [32, 31],
  [31, 32],
  [94, 33],
] as const

/** `tickwire watch`: what a gateway has, on a terminal. Resolves with the exit code. */
export async function watch(
  words: readonly string[],
  flags: WatchFlags,
  around: Surroundings,
): Promise<number> {
  if (!hasKeys()) {
    throw new TickwireError('BAD_OPTION', 'watch is looked at, and there is no terminal', {
      hint: '`tickwire stream --provider tickwire` writes lines of a gateway.',
    })
  }
  const screen = screenOf(around)
  const config = loadConfig(around, { file: flags.config })
  const symbols = parseSymbols(words)
  const streamUrl = flags.url ?? config.tickwire.url
  const url = new URL(streamUrl.replace(/^ws/, 'http')).origin
  const key = config.vendorKeys.tickwire
  const clock = systemClock()
  const http = new HttpClient({
    ...{ get: openHttp(config.reachedBy), clock, random: Math.random },
    ...{ quota: new Quota(clock, PER_MINUTE) },
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  })
  const client = connect({
    ...{ url: streamUrl, encoding: 'blocks', openSocket: webSockets(config.reachedBy) },
    ...(key !== undefined && { key }),
  })
  const run = new Run()
  const desk = new WatchDesk(client, http, url)
  const shown = new WatchScreen(text => process.stdout.write(text))
  let view = {
    scheme: 0,
    pane: 0,
    isLocal: false,
    isHelp: false,
    typed: undefined as string | undefined,
  }
  const colours = (): Paint => {
    const [up, down] = SCHEMES[view.scheme]!
    const plain = paint(screen.colors)
    return screen.colors ? { ...plain, up: sgr(up, 39), down: sgr(down, 39) } : plain
  }
  const draw = () =>
    shown.paint(
      picture(desk, {
        ...{ width: screen.width(), height: screen.height(), paint: colours(), url },
        ...{ isAscii: flags.ascii ?? false, banner: client.hello?.banner },
        ...{ now: Date.now() + offsetMs, pane: PANES[view.pane]!, isLocal: view.isLocal },
        prompt: view.typed === undefined ? undefined : `symbol: ${view.typed}_`,
        isHelp: view.isHelp,
      }),
    )
  let offsetMs = 0
  client.watch(status => {
    if (status.state === 'open') offsetMs = client.hello!.time - Date.now()
    desk.turned(status)
  })
  client.done.catch(error => run.fail(error))
  desk.open(symbols, run.signal).catch(error => run.fail(error))

  const acts: Readonly<Record<string, () => void>> = {
    '\x1b[A': () => desk.step(-1),
    '\x1bOA': () => desk.step(-1),
    k: () => desk.step(-1),
    '\x1b[B': () => desk.step(1),
    '\x1bOB': () => desk.step(1),
    j: () => desk.step(1),
    '\x1b[3~': () => desk.focus && desk.remove(desk.focus),
    d: () => desk.focus && desk.remove(desk.focus),
    '/': () => void (view = { ...view, typed: '' }),
    '?': () => void (view = { ...view, isHelp: !view.isHelp }),
    '\x1b': () => void (view = { ...view, isHelp: false }),
    '\t': () => void (view = { ...view, pane: (view.pane + 1) % PANES.length }),
    z: () => void (view = { ...view, isLocal: !view.isLocal }),
    c: () => void (view = { ...view, scheme: (view.scheme + 1) % SCHEMES.length }),
    q: () => run.done(),
  }
  /** A key while a symbol is being typed. */
  const type = (key: string, typed: string) => {
    if (key === '\r' || key === '\n') {
      const [symbol] = typed.trim() === '' ? [] : (parseSymbols([typed]) ?? [])
      view = { ...view, typed: undefined }
      if (symbol === undefined) return
      desk.add(symbol)
      desk.choose(symbol)
    } else if (key === '\x1b') view = { ...view, typed: undefined }
    else if (key === '\x7f' || key === '\b') view = { ...view, typed: typed.slice(0, -1) }
    else if (key.length === 1 && key >= ' ') view = { ...view, typed: typed + key.toUpperCase() }
  }
  const { stdin } = process
  const read = (text: string) => {
    for (const one of text.match(ONE_KEY) ?? []) {
      if (one === '\x03') process.kill(process.pid, 'SIGINT')
      else if (one === '\x1a') suspend()
      else if (view.typed !== undefined) type(one, view.typed)
      else acts[one]?.()
    }
    draw()
  }
  const begin = () => {
    stdin.setRawMode(true)
    shown.open()
    draw()
  }
  const end = () => {
    shown.close()
    stdin.setRawMode(false)
  }
  /** Ctrl-Z: the terminal belongs to the shell until it brings us back. */
  const suspend = () => {
    end()
    process.once('SIGCONT', () => {
      if (!run.signal.aborted) begin()
    })
    process.kill(process.pid, 'SIGTSTP')
  }
  const resized = () => {
    shown.forget()
    draw()
  }
  const hungUp = () => run.done()
  stdin.setEncoding('utf8')
  stdin.on('data', read)
  process.stdout.on('resize', resized)
  process.on('SIGHUP', hungUp)
  run.leaving = end
  begin()
  const painting = setInterval(draw, PAINT_MS)
  const look = () => desk.look(run.signal)
  const looking = setInterval(look, LOOK_MS)
  void client.ready.then(look, () => {})

  const ending = await run.ended
  clearInterval(painting)
  clearInterval(looking)
  stdin.off('data', read)
  process.stdout.off('resize', resized)
  process.off('SIGHUP', hungUp)
  end()
  stdin.pause()
  client.close()
  return conclude(ending, flags.debug ?? false, () => 'ended')
}
