import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TickwireError } from '../../src/base/errors.ts'
import { type HttpAnswer, HttpClient, type HttpRequest } from '../../src/base/http.ts'
import { Quota } from '../../src/base/http-quota.ts'
import { handClock } from '../../src/testing/clock.ts'

const answer = (status: number): HttpAnswer => ({ status, headers: {}, body: Buffer.from('{}') })

/** What a client asks, and what comes of it, when these are the answers. */
async function ask(statuses: readonly number[], how: 'get' | 'post') {
  const clock = handClock()
  const asked: HttpRequest[] = []
  const get = async (request: HttpRequest) => {
    asked.push(request)
    return answer(statuses[asked.length - 1] ?? 200)
  }
  const quota = new Quota(clock, 600)
  const http = new HttpClient({ get, clock, random: () => 0, quota, headers: { A: 'b' } })
  const url = 'https://venue.test/ask'
  const read = (body: Uint8Array) => body.length
  const asking = how === 'get' ? http.get(url, read) : http.post(url, { key: 'k' }, read)
  const outcome = asking.catch((error: TickwireError) => error.code)
  await clock.advance(600_000)
  return { asked, outcome: await outcome }
}

test('a POST carries its question as JSON, and a GET none', async () => {
  const { asked, outcome } = await ask([], 'post')
  assert.equal(outcome, 2)
  assert.equal(asked[0]!.body, '{"key":"k"}')
  assert.deepEqual(asked[0]!.headers, { A: 'b', 'Content-Type': 'application/json' })
  const [plain] = (await ask([], 'get')).asked
  assert.deepEqual([plain!.headers, 'body' in plain!], [{ A: 'b' }, false])
})

test('a POST is asked again behind a passing fault, with the same question', async () => {
  const { asked, outcome } = await ask([502, 429], 'post')
  assert.equal(outcome, 2)
  assert.deepEqual(
    asked.map(({ body }) => body),
    Array.from({ length: 3 }, () => '{"key":"k"}'),
  )
  assert.equal((await ask([400], 'post')).outcome, 'BAD_REQUEST')
})
