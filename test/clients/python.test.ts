// The official Python clients, where TICKWIRE_PYTHON names a Python that has them: TICKWIRE_PYTHON=python3.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { event, openStreamGateway } from '../gateway/stream-kit.ts'

const python = process.env.TICKWIRE_PYTHON
const script = fileURLToPath(new URL('python-clients.py', import.meta.url))

describe('official Python clients at the gateway', {
  skip: !python && 'TICKWIRE_PYTHON is not set',
}, () => {
  for (const name of ['alpaca', 'openalgo', 'massive']) {
    test(`${name} hears each price there was`, async () => {
      const kit = await openStreamGateway()
      const child = spawn(python!, [script, name, `${kit.gateway.port}`])
      let [out, err, code]: [string, string, number | null | undefined] = ['', '', undefined]
      child.stdout.on('data', data => {
        out += data
      })
      child.stderr.on('data', data => {
        err += data
      })
      child.on('close', status => {
        code = status
      })
      try {
        const isAsked = () => kit.feed.asked.includes('+trade:BTC/USD')
        while (!isAsked() && code === undefined) await kit.until(isAsked, 0).catch(() => {})
        assert.ok(isAsked(), err)
        const prices = Array.from({ length: 10 }, (_, i) => 100.25 + i)
        for (const [id, price] of prices.entries()) {
          kit.tape.append([event({ type: 'trade', symbol: 'BTC/USD', price, size: 1, id })])
        }
        while (code === undefined) await kit.until(() => code !== undefined).catch(() => {})
        assert.equal(code, 0, err)
        assert.deepEqual(out.trim().split('\n').slice(1).map(Number), prices)
      } finally {
        child.kill()
        await kit.close()
      }
    })
  }
})
