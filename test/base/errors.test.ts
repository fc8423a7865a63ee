import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { asError, ERRORS, type ErrorCode, TickwireError } from '../../src/base/errors.ts'

describe('docs/errors.md', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')

  it('holds the table of codes, row for row', () => {
    const rows = page
      .split(/\r?\n/)
      .filter(line => /^\| `[A-Z_]+` \|/.test(line))
      .map(line =>
        line
          .split('|')
          .slice(1, -1)
          .map(cell => cell.trim()),
      )
    const expected = Object.entries(ERRORS).map(([code, { verdict, exit, means }]) => [
      `\`${code}\``,
      verdict,
      `${exit}`,
      means,
    ])
    assert.deepEqual(rows, expected)
  })

  it('explains every verdict and exit code that occurs', () => {
    for (const { verdict, exit } of Object.values(ERRORS)) {
      assert.ok(page.includes(`- \`${verdict}\`: `), verdict)
      assert.match(page, new RegExp(`^- ${exit}: `, 'm'))
    }
  })
})

describe('TickwireError', () => {
  it('takes verdict and fatality from the table', () => {
    for (const [code, { verdict }] of Object.entries(ERRORS)) {
      const error = new TickwireError(code as ErrorCode, 'words')
      assert.equal(error.verdict, verdict)
      assert.equal(error.fatal, verdict === 'fatal')
    }
  })

  it('carries message, hint, cause and the wait a venue asked for', () => {
    const cause = new Error('socket hang up')
    const details = { hint: 'Check the network.', cause, retryAfterMs: 5_000 }
    const error = new TickwireError('UNREACHABLE', 'no connection', details)
    assert.ok(error instanceof Error)
    assert.equal(error.name, 'TickwireError')
    assert.equal(error.message, 'no connection')
    assert.equal(error.hint, 'Check the network.')
    assert.equal(error.cause, cause)
    assert.equal(error.retryAfterMs, 5_000)
  })

  it('has no cause at all when there is none', () => {
    assert.ok(!('cause' in new TickwireError('CLOSED', 'closed')))
  })
})

describe('asError', () => {
  it('keeps errors and wraps everything else', () => {
    const error = new RangeError('x')
    assert.equal(asError(error), error)
    assert.equal(asError('text').message, 'text')
    assert.equal(asError(undefined).message, 'undefined')
    assert.equal(asError({ toString: undefined }).message, 'a thrown value that is no text')
    assert.equal(asError(Object.create(null)).message, 'a thrown value that is no text')
  })
})
