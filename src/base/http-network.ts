import { rootCertificates } from 'node:tls'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { TickwireError } from './errors.ts'
import type { HttpGet } from './http.ts'

export interface HttpOptions {
  /**
   * A proxy to go through, `http://host:port` or `https://host:port`, with `user:password@` where it wants them.
   * @default none; the environment is not read
   */
  readonly proxy?: string | undefined
  /**
   * Hosts that are reached without the proxy, as in `NO_PROXY`: `localhost,.example.com,10.0.0.1:8080`; `*` for all.
   * @default none
   */
  readonly noProxy?: string | undefined
  /** Certificates (PEM) to trust beside Node's own, for servers and for a proxy. @default none */
  readonly ca?: string | readonly string[] | undefined
}

const unzip = promisify(gunzip)

/**
 * HTTP over the network, or through a proxy. Idle connections keep no process alive and close by themselves.
 * @throws BAD_OPTION for a proxy that is no http:// or https:// address
 */
export function openHttp(options: HttpOptions = {}): HttpGet {
  const { proxy, noProxy = '', ca } = options
  // The address may hold a password: it is not repeated.
  if (proxy !== undefined && !isHttp(proxy)) {
    throw new TickwireError('BAD_OPTION', 'the proxy is no http:// or https:// address', {
      hint: 'Write it as http://host:port.',
    })
  }
  const tls = ca === undefined ? {} : { ca: [...rootCertificates, ...[ca].flat()] }
  let dispatcher: Dispatcher | undefined
  return async ({ url, headers, maxBytes, signal }) => {
    // Loaded when first needed: streams alone do without it.
    const { EnvHttpProxyAgent, request } = await import('undici')
    dispatcher ??= new EnvHttpProxyAgent({
      // Empty, not absent: absent ones would be taken from the environment.
      ...{ httpProxy: proxy ?? '', httpsProxy: proxy ?? '', noProxy },
      ...{ connect: tls, requestTls: tls, proxyTls: tls },
    })
    const answer = await request(url, {
      ...{ dispatcher, signal, headers: { ...headers, 'accept-encoding': 'gzip' } },
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

function isHttp(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}
