import type { IncomingMessage } from 'node:http'
import { asError, TickwireError } from '../base/errors.ts'
import type { DeskAnswer } from '../providers/alpaca/server.ts'
import { type Door, mustBe } from './access.ts'
import type { GatewayContext } from './context.ts'
import { MOST_BODY, readText } from './dropin-rest.ts'
import { NATURE_HEADER } from './nature.ts'
import type { PaperHouse } from './paper.ts'
import { refusalOf, statusOf } from './refusals.ts'

/** Below this the vendor's paths are as the vendor has them. */
const PREFIX = '/alpaca'

/** Answers a request of Alpaca's trading API, in its words. */
export async function answerTrading(
  { request, url, signal }: { request: IncomingMessage; url: URL; signal: AbortSignal },
  paper: PaperHouse,
  door: Door,
  { log }: GatewayContext,
): Promise<Response> {
  let answer: DeskAnswer
  try {
    door.checkVendor(request)
    const { headers } = request
    const words = [headers['apca-api-secret-key'], headers['apca-api-key-id']]
    const bearer = headers.authorization?.replace(/^Bearer /, '')
    const guest = door.visitVendor([...words, bearer].flatMap(word => word ?? []))
    if (!guest) answer = { status: 401, body: { message: 'unauthorized' } }
    else {
      try {
        // Where nobody needs a key, nobody needs one for what moves no money.
        mustBe(guest, door.isOpenToAll ? 'read' : 'trade')
        const body = parsed(await readText(request, MOST_BODY))
        const { method = 'GET' } = request
        const path = url.pathname.slice(PREFIX.length)
        answer = await paper.answer({ method, path, query: url.searchParams, body }, signal)
      } finally {
        guest.leave()
      }
    }
  } catch (error) {
    const { code, message } = refusalOf(error)
    const status = error instanceof TickwireError ? statusOf(error) : 500
    if (code === 'UNEXPECTED')
      log.error({ error: asError(error).message, stack: asError(error).stack }, 'a request failed')
    answer = { status, body: { code: status * 100_000, message } }
  }
  const body = answer.body === undefined ? null : JSON.stringify(answer.body)
  return new Response(body, {
    status: answer.status,
    headers: {
      ...(body !== null && { 'content-type': 'application/json' }),
      ...{ 'cache-control': 'no-store', [NATURE_HEADER]: 'PAPER: no money moves' },
    },
  })
}

/** @throws BAD_OPTION */
function parsed(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TickwireError('BAD_OPTION', 'the body is no JSON', { cause })
  }
}
