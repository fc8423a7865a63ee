import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { buildConnector, Dispatcher } from 'undici'
import { TickwireError } from './errors.ts'
import type { HttpGet } from './http.ts'
import {
  isSecure,
  type Network,
  type NetworkOptions,
  networkOf,
  openTunnel,
  secure,
  trust,
} from './network.ts'

const unzip = promisify(gunzip)

/**
 * HTTP over the network, or through a proxy. Idle connections keep no process alive and close by themselves.
 * @throws BAD_OPTION for a proxy that is no http:// or https:// address
 */
export function openHttp(options: NetworkOptions = {}): HttpGet {
  const network = networkOf(options)
  let direct: Dispatcher | undefined
  let tunnelled: Dispatcher | undefined
  return async ({ method, url, headers, body: question, maxBytes, signal }) => {
    // Loaded when first needed: streams alone do without it.
    const { Agent, request } = await import('undici')
    const dispatcher = network.proxyFor(new URL(url))
      ? (tunnelled ??= new Agent({ connect: tunnels(network) }))
      : (direct ??= new Agent({ connect: trust(network) }))
    const answer = await request(url, {
      ...{ dispatcher, signal, headers: { ...headers, 'accept-encoding': 'gzip' } },
      method: method ?? (question === undefined ? 'GET' : 'POST'),
      ...(question !== undefined && { body: question }),
      // The client has a time limit of its own, for the whole.
      ...{ headersTimeout: 0, bodyTimeout: 0 },
    })
    const tooLong = () =>
      new TickwireError('VENUE_ERROR', `${new URL(url).host}: an answer above ${maxBytes} bytes`)
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > maxBytes) throw tooLong()
      chunks.push(chunk)
    }
    const names = Object.entries(answer.headers)
    const single = names.map(([name, value]) => [name, Array.isArray(value) ? value[0] : value])
    const packed = Buffer.concat(chunks)
    const body =
      answer.headers['content-encoding'] === 'gzip'
        ? await unpack(packed, maxBytes, tooLong)
        : packed
    return { status: answer.statusCode, headers: Object.fromEntries(single), body }
  }
}

async function unpack(packed: Buffer, maxBytes: number, tooLong: () => Error): Promise<Buffer> {
  try {
    return await unzip(packed, { maxOutputLength: maxBytes })
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLong()
    throw cause
  }
}

/** How undici gets to a server behind a proxy. */
function tunnels(network: Network): buildConnector.connector {
  return ({ protocol, host }, done) => {
    const url = new URL(`${protocol}//${host}`)
    const failed = (error: Error) => done(error, null)
    openTunnel(network.proxyFor(url)!, url, network).then(tunnel => {
      if (!isSecure(url)) return done(null, tunnel)
      const socket = secure(url, tunnel, network, () => {
        socket.off('error', failed)
        done(null, socket)
      })
      socket.on('error', failed)
    }, failed)
  }
}
