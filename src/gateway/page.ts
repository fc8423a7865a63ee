import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * The files a browser asks a gateway for: the dashboard, the client as one module, and a page that shows how little that
 * takes. Which there are is looked up once, and only these are ever read: no path leads out of them.
 */

export interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>
  readonly headers: Readonly<Record<string, string>>
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Nothing but the gateway's own files, and its own socket; the chart's library sets styles of its own. */
const OF_DASHBOARD =
  "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** The example has its script in the page. */
const OF_EXAMPLE =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; connect-src 'self'; style-src 'unsafe-inline'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

let known: ReadonlyMap<string, URL> | undefined
const read = new Map<string, PageFile>()

/** The file of a path; `undefined` where there is none, as before a build. */
export function pageAt(path: string): PageFile | undefined {
  known ??= filesOf()
  const url = known.get(path)
  if (!url) return undefined
  let file = read.get(path)
  if (!file) {
    const body = new Uint8Array(readFileSync(url))
    const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22)
    // What is in assets/ has a name made of what it holds.
    const isForGood = path.startsWith('/assets/')
    file = {
      body,
      headers: {
        'content-type': TYPES[extname(url.pathname)]!,
        'content-security-policy': path === '/example.html' ? OF_EXAMPLE : OF_DASHBOARD,
        'cache-control': isForGood ? 'public, max-age=31536000, immutable' : 'no-cache',
        etag: `"${digest}"`,
      },
    }
    read.set(path, file)
  }
  return file
}

/** The answer for a path: 304 where the browser has it already. */
export function pageAnswer(path: string, ifNoneMatch: string | undefined): Response | undefined {
  const file = pageAt(path)
  if (!file) return undefined
  const known = ifNoneMatch?.split(',').map(tag => tag.trim().replace(/^W\//, ''))
  if (known?.includes(file.headers.etag!))
    return new Response(null, { status: 304, headers: file.headers })
  return new Response(file.body, { headers: file.headers })
}

/** Each path with its file. */
function filesOf(): ReadonlyMap<string, URL> {
  // From sources what was built last is beside them.
  const built = new URL(import.meta.url.endsWith('.ts') ? '../../dist/' : '../', import.meta.url)
  const files = new Map<string, URL>()
  const web = new URL('web/', built)
  if (existsSync(web)) {
    for (const name of readdirSync(fileURLToPath(web), { recursive: true, encoding: 'utf8' })) {
      const path = name.replaceAll('\\', '/')
      if (extname(path) in TYPES) files.set(`/${path}`, new URL(path, web))
    }
    files.set('/', new URL('index.html', web))
  }
  const client = new URL('client.js', built)
  if (existsSync(client)) files.set('/client.js', client)
  files.set('/example.html', new URL('../../examples/browser.html', import.meta.url))
  return files
}
