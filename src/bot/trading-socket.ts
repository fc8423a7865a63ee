import type { Clock, Timer } from '../base/clock.ts'
import { asError, TickwireError } from '../base/errors.ts'
import type { OpenSocket, Socket } from '../base/socket.ts'
import type { TradingListener, TradingStream } from './trading.ts'

const GREETING_MS = 10_000
const PING_MS = 10_000

/** What is its broker's own in a stream of orders. Frames are JSON, as text or as bytes. */
export interface TradingSocketOptions {
  readonly url: string
  readonly clock: Clock
  readonly openSocket: OpenSocket
  /** The client speaks first: who it is. */
  readonly greeting: object
  /** Takes a message; what it throws ends the stream, and what was said in it is asked for by the next one. */
  hear(message: unknown, line: TradingLine): void
}

/** What can be done about a message. */
export interface TradingLine {
  send(message: object): void
  /** Orders are told from now on. */
  begin(): void
  end(error: TickwireError): void
}

/**
 * Opens a stream of orders and keeps it: resolves once it tells, and from then on `listener.lost` hears of its end.
 * @throws HANDSHAKE_TIMEOUT, UNREACHABLE, RATE_LIMITED, VENUE_ERROR, and what `hear` ends it with
 */
export function openTradingSocket(
  { url, clock, openSocket, greeting, hear }: TradingSocketOptions,
  listener: TradingListener,
): Promise<TradingStream> {
  return new Promise((resolve, reject) => {
    let isTelling = false
    let isOver = false
    let isHeard = true
    let timer: Timer
    const end = (error: TickwireError) => {
      if (isOver) return
      isOver = true
      timer.cancel()
      socket.terminate()
      if (isTelling) listener.lost(error)
      else reject(error)
    }
    const ping = () => {
      if (!isHeard)
        return end(new TickwireError('MUTE', 'the stream of orders answers nothing any more'))
      isHeard = false
      socket.ping()
      timer = clock.setTimeout(ping, PING_MS)
    }
    const line: TradingLine = {
      send: message => socket.send(JSON.stringify(message)),
      begin() {
        if (isTelling || isOver) return
        isTelling = true
        timer.cancel()
        timer = clock.setTimeout(ping, PING_MS)
        resolve({
          close() {
            isOver = true
            timer.cancel()
            socket.close(1000)
          },
        })
      },
      end,
    }
    const socket: Socket = openSocket(
      { url, headers: {}, maxFrameBytes: 1 << 20, handshakeTimeoutMs: GREETING_MS },
      {
        opened: () => line.send(greeting),
        frame(data) {
          isHeard = true
          if (isOver) return
          try {
            hear(JSON.parse(new TextDecoder().decode(data)), line)
          } catch (cause) {
            // What it said is asked for when it is connected again.
            const why = `the stream of orders said what cannot be read: ${asError(cause).message}`
            end(new TickwireError('VENUE_ERROR', why, { cause }))
          }
        },
        pong() {
          isHeard = true
        },
        closed({ code, httpStatus, error }) {
          const why =
            httpStatus === undefined
              ? (error?.message ?? `closed with ${code}`)
              : `HTTP ${httpStatus}`
          const refused = httpStatus === 429 ? 'RATE_LIMITED' : 'UNREACHABLE'
          const kind = isTelling ? 'CONNECTION_LOST' : refused
          end(new TickwireError(kind, `the stream of orders: ${why}`, { cause: error }))
        },
      },
      clock,
    )
    const late = 'the stream of orders did not begin in 10 s'
    timer = clock.setTimeout(() => end(new TickwireError('HANDSHAKE_TIMEOUT', late)), GREETING_MS)
  })
}
