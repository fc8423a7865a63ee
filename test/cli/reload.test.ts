import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli, emptyDirectory } from './child.ts'

const noSignals = process.platform === 'win32' && 'there is no SIGHUP here'

test('SIGHUP takes over what the settings say by now, and the source stays connected', {
  skip: noSignals,
}, async () => {
  const cwd = emptyDirectory()
  const put = (text: string) => writeFileSync(join(cwd, 'tickwire.config.yaml'), text)
  const market = 'provider: simulated\nkinds: [trades]\n'
  put(`${market}symbols: [SPY]\ngateway: { port: 0 }\n`)
  const origin = 'https://desk.example'
  let url = ''
  const statusOf = async () => (await fetch(`${url}/v1/providers`, { headers: { origin } })).status
  const steps: string[] = []
  let failure: unknown
  const { code, stdout, stderr } = await cli(['serve', '--no-record'], {
    cwd,
    onSaid: (child, said) => {
      const at = async (word: RegExp, step: () => Promise<unknown>) => {
        if (!word.test(said) || steps.includes(word.source)) return
        steps.push(word.source)
        try {
          await step()
        } catch (error) {
          failure ??= error
          child.kill('SIGTERM')
        }
      }
      void at(/served at (http:\S+?);/, async () => {
        url = /served at (http:\S+?);/.exec(said)![1]!
        assert.equal(await statusOf(), 403)
        put(`${market}symbols: [SPY, TSLA]\ngateway: { port: 1, origins: ['${origin}'] }\n`)
        child.kill('SIGHUP')
      })
      void at(/gateway\.port counts from the next start on/, async () => {
        assert.equal(await statusOf(), 200)
        put('gateway: { origins: [nonsense] }\n')
        child.kill('SIGHUP')
      })
      void at(/the settings stay as they were/, async () => {
        assert.equal(await statusOf(), 200)
        const latest = (await (
          await fetch(`${url}/v1/latest?symbols=TSLA&kinds=trade`)
        ).json()) as {
          data: [{ symbol: string }]
        }
        assert.equal(latest.data[0].symbol, 'TSLA')
        const metrics = await (await fetch(`${url}/metrics`)).text()
        assert.match(metrics, /tickwire_feed_connects_total\{source="simulated"\} 1\n/)
        child.kill('SIGTERM')
      })
    },
  })
  rmSync(cwd, { recursive: true })
  assert.equal(failure, undefined)
  assert.equal(steps.length, 3, stderr)
  assert.equal(code, 143)
  assert.match(stderr, /settings read again: 1 subscriptions more of simulated/)
  assert.match(stderr, /"nonsense" is no origin/)
  assert.ok(stdout.includes('"symbol":"TSLA"'))
})
