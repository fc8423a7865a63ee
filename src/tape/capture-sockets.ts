import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import { TickwireError } from '../base/errors.ts'
import { type OpenSocket, openWebSocket, type Socket, type SocketEvents } from '../base/socket.ts'
import type { Capture, Captured, CaptureWriter } from './capture.ts'

/**
 * A transport that also keeps what the venue sends. What we send is not kept: keys are in it.
 */
export function captureSockets(
  writer: CaptureWriter,
  open: OpenSocket = openWebSocket,
): OpenSocket {
  let connections = 0
  return (request, events, clock) => {
    const connection = ++connections
    return open(
      request,
      {
        opened() {
          writer.add({ type: 'opened', connection, receivedAt: clock.now() })
          events.opened()
        },
        frame(data, binary, receivedAt) {
          writer.add({ type: 'frame', connection, receivedAt, data, binary })
          events.frame(data, binary, receivedAt)
        },
        pong: () => events.pong(),
        closed(end) {
          const { code, reason } = end
          writer.add({ type: 'closed', connection, receivedAt: clock.now(), code, reason })
          events.closed(end)
        },
      },
      clock,
    )
  }
}

export interface PlayedSockets {
  readonly openSocket: OpenSocket
  /** Resolves when the last frame has been given; rejects when the capture cannot be read. */
  readonly done: Promise<void>
}

/**
 * A transport that gives what was captured in the venue's place: each connection made gets the next one captured, with
 * the receive times of then. What is sent to it goes nowhere.
 * @param speed 1: as it came, 10: ten times as fast, `Infinity`: with a turn of the event loop after each frame
 */
export function playSockets(capture: Capture, speed = Number.POSITIVE_INFINITY): PlayedSockets {
  if (!(speed > 0)) throw new TickwireError('BAD_OPTION', `speed must be above 0, not ${speed}`)
  let finish: (() => void) | undefined
  let fail: ((error: unknown) => void) | undefined
  const done = new Promise<void>((resolve, reject) => {
    finish = resolve
    fail = reject
  })
  let next = 1
  const openSocket: OpenSocket = (_request, events, clock) => {
    const socket = new PlayedSocket(events)
    socket.play(capture, next++, speed, clock).then(isLast => {
      if (isLast) finish?.()
    }, fail)
    return socket
  }
  return { openSocket, done }
}

class PlayedSocket implements Socket {
  readonly #events: SocketEvents
  readonly #over = new AbortController()

  constructor(events: SocketEvents) {
    this.#events = events
  }

  /** Resolves with whether there is no connection behind this one. */
  async play(capture: Capture, wanted: number, speed: number, clock: Clock): Promise<boolean> {
    let [last, begin, started] = [wanted, 0, 0]
    for await (const one of capture.read()) {
      last = Math.max(last, one.connection)
      if (one.connection !== wanted || this.#over.signal.aborted) continue
      if (begin === 0) {
        begin = one.receivedAt
        started = clock.now()
      }
      const wait = (one.receivedAt - begin) / speed - (clock.now() - started)
      if (wait > 0) await sleep(clock, wait, this.#over.signal)
      // What we would have sent by now has been sent when the next frame comes.
      await new Promise(resolve => setImmediate(resolve))
      if (!this.#over.signal.aborted) this.#give(one)
    }
    return last === wanted
  }

  send(): void {}

  ping(): void {
    queueMicrotask(() => {
      if (!this.#over.signal.aborted) this.#events.pong()
    })
  }

  close(code = 1000, reason = ''): void {
    queueMicrotask(() => this.#end(code, reason))
  }

  terminate(): void {
    queueMicrotask(() => this.#end(1006, ''))
  }

  #give(one: Captured): void {
    if (one.type === 'opened') this.#events.opened()
    else if (one.type === 'frame') this.#events.frame(one.data, one.binary, one.receivedAt)
    else this.#end(one.code, one.reason)
  }

  #end(code: number, reason: string): void {
    if (this.#over.signal.aborted) return
    this.#over.abort()
    this.#events.closed({ code, reason })
  }
}
