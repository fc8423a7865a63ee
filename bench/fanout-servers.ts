// The gateway, and what it is held against: one `ws.send` for each message and client. Both read the same tape.
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { systemClock } from '../src/base/clock.ts'
import { silentLog } from '../src/base/log.ts'
import type { Access, GatewayContext, GatewayFeed } from '../src/gateway/context.ts'
import { type Gateway, openGateway } from '../src/gateway/serve.ts'
import { encodeEvent } from '../src/market/json.ts'
import { canonicalSymbol } from '../src/market/symbols.ts'
import type { Tape } from '../src/tape/tape.ts'

export interface FanServer {
  readonly port: number
  readonly gateway?: Gateway
  close(): Promise<void>
}

const ANYONE: Access = {
  upgrade: () => ({ name: 'bench', scopes: new Set(['read'] as const), leave() {} }),
  authenticate: () => ANYONE.upgrade(undefined as never)!,
  statusOf: () => 403,
  close() {},
}

/** A source whose events come onto the tape by themselves. */
const feed = {
  source: 'bench',
  capabilities: {
    ...{ title: 'bench', kinds: ['trade'], barIntervals: [], wildcard: ['trade'] },
    ...{ nature: 'test', auth: 'none', limits: {}, history: false, silenceHint: '' },
  },
  state: 'open',
  provider: { id: 'bench', symbol: canonicalSymbol },
  hold: () => ({
    topics: [],
    answer: async () => ({ accepted: [], rejected: [], pending: [] }),
    release() {},
  }),
} as unknown as GatewayFeed

export async function gatewayOn(tape: Tape): Promise<FanServer> {
  const context: GatewayContext = {
    ...{ tape, feeds: [feed], history: undefined, clock: systemClock(), log: silentLog },
    ...{ stores: () => [], ledger: () => [], isRecording: () => false },
  }
  const gateway = await openGateway(context, {
    ...{ port: 0, access: ANYONE, version: '0' },
    http: () => ({ listener: (_, response) => void response.end(), close() {} }),
  })
  return { port: gateway.port, gateway, close: () => gateway.close() }
}

export async function plainOn(tape: Tape): Promise<FanServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  await new Promise(resolve => server.once('listening', resolve))
  const bySymbol = new Map<string, WebSocket[]>()
  server.on('connection', socket => {
    socket.on('message', data => {
      for (const symbol of JSON.parse(String(data)).symbols as string[]) {
        const others = bySymbol.get(symbol)
        if (others) others.push(socket)
        else bySymbol.set(symbol, [socket])
      }
      socket.send('{"type":"live"}')
    })
  })
  const end = new AbortController()
  const done = (async () => {
    for await (const batch of tape.read({ written: true, signal: end.signal })) {
      for (const event of batch) {
        const text = encodeEvent(event)
        for (const socket of bySymbol.get(event.symbol!) ?? []) socket.send(text)
      }
    }
  })()
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      end.abort()
      await done
      for (const socket of server.clients) socket.terminate()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
