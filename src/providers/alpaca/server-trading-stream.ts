/** What a client of the stream `trade_updates` is answered, and whether it hears updates from now on. */
export interface DeskHeard {
  readonly reply: string
  readonly isListening?: boolean
  /** It is to be closed behind the reply. */
  readonly isOver?: boolean
}

/**
 * The server's side of one connection, https://docs.alpaca.markets/docs/websocket-streaming: the client speaks first, in
 * either of two forms; what it listens to replaces what it listened to. `isKey` says whether a key and secret are right.
 */
export class DeskStream {
  readonly #isKey: (key: string, secret: string) => boolean
  #isKnown = false

  constructor(isKey: (key: string, secret: string) => boolean) {
    this.#isKey = isKey
  }

  hear(frame: string): DeskHeard {
    let message: { action?: unknown; key?: unknown; secret?: unknown; data?: unknown }
    try {
      message = JSON.parse(frame) ?? {}
    } catch {
      return failed('invalid syntax')
    }
    const data = (message.data ?? {}) as { [key: string]: unknown }
    switch (message.action) {
      case 'authenticate':
      case 'auth': {
        const [key, secret] = [data.key_id ?? message.key, data.secret_key ?? message.secret]
        this.#isKnown = this.#isKey(String(key), String(secret))
        if (this.#isKnown) return authorization('authorized', 'authenticate')
        return { ...authorization('unauthorized', 'authenticate'), isOver: true }
      }
      case 'listen': {
        if (!this.#isKnown) return authorization('unauthorized', 'listen')
        const isListening = Array.isArray(data.streams) && data.streams.includes('trade_updates')
        const streams = isListening ? ['trade_updates'] : []
        return { reply: JSON.stringify({ stream: 'listening', data: { streams } }), isListening }
      }
      default:
        return failed('unknown action')
    }
  }
}

const authorization = (status: string, action: string): DeskHeard => ({
  reply: JSON.stringify({ stream: 'authorization', data: { status, action } }),
})

const failed = (error_message: string): DeskHeard => ({
  reply: JSON.stringify({ action: 'error', data: { error_message } }),
  isOver: true,
})
