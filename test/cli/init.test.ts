import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { parse } from 'dotenv'
import { TickwireError } from '../../src/base/errors.ts'
import { init, problemWith } from '../../src/cli/commands/init.ts'
import { emptyDirectory } from './child.ts'

describe('tickwire init', () => {
  let cwd = ''
  beforeEach(() => {
    cwd = emptyDirectory()
    mock.method(process.stderr, 'write', () => true)
  })
  afterEach(() => {
    mock.restoreAll()
    rmSync(cwd, { recursive: true })
  })
  const file = (name: string) => readFileSync(join(cwd, name), 'utf8')
  const around = () => ({ argv: [], env: {}, cwd })
  const answers =
    (...texts: (string | undefined)[]) =>
    async () =>
      texts.shift()
  const root = new URL('../../', import.meta.url)

  test('copies both examples, for the owner alone, when nobody can be asked', async () => {
    assert.equal(await init({}, around(), undefined), 0)
    assert.equal(file('.env'), readFileSync(new URL('.env.example', root), 'utf8'))
    assert.equal(
      file('tickwire.config.yaml'),
      readFileSync(new URL('tickwire.config.example.yaml', root), 'utf8'),
    )
    if (process.platform !== 'win32') assert.equal(statSync(join(cwd, '.env')).mode & 0o777, 0o600)
    assert.equal(file('.gitignore'), '.env\n', 'also before there is a repository')
  })

  test('writes the keys it was given, so that they are read back as typed', async () => {
    assert.equal(await init({}, around(), answers('PK123', 'a#b$1"c/=')), 0)
    const env = parse(file('.env'))
    assert.equal(env.APCA_API_KEY_ID, 'PK123')
    assert.equal(env.APCA_API_SECRET_KEY, 'a#b$1"c/=')
  })

  test('changes nothing when the questions are cancelled', async () => {
    assert.equal(await init({}, around(), answers('PK123', undefined)), 130)
    assert.ok(!existsSync(join(cwd, '.env')))
  })

  test('does not write over a file that is there, unless forced', async () => {
    writeFileSync(join(cwd, '.env'), 'MINE=1\n', { mode: 0o644 })
    await assert.rejects(init({}, around(), undefined), (error: unknown) => {
      assert.ok(error instanceof TickwireError)
      assert.equal(error.code, 'FILE_EXISTS')
      assert.match(error.message, /^\.env is already there$/)
      assert.match(error.hint!, /--force/)
      return true
    })
    assert.equal(file('.env'), 'MINE=1\n')
    assert.ok(!existsSync(join(cwd, 'tickwire.config.yaml')))
    assert.equal(await init({ force: true }, around(), undefined), 0)
    assert.equal(file('.env'), 'MINE=1\nAPCA_API_KEY_ID=\nAPCA_API_SECRET_KEY=\n')
    if (process.platform !== 'win32') assert.equal(statSync(join(cwd, '.env')).mode & 0o777, 0o600)
  })

  test('--force sets the keys given, and keeps every other line of .env', async () => {
    const before = '# mine\nMINE="a b"\nexport APCA_API_SECRET_KEY = "old"\r\nLAST=1'
    writeFileSync(join(cwd, '.env'), before)
    await init({ force: true }, around(), answers('PKNEW', 'new$&secret'))
    const after = '# mine\nMINE="a b"\nAPCA_API_SECRET_KEY=\'new$&secret\'\r\nLAST=1\n'
    assert.equal(file('.env'), `${after}APCA_API_KEY_ID=PKNEW\n`)
    await init({ force: true }, around(), answers(''))
    assert.equal(file('.env'), `${after}APCA_API_KEY_ID=PKNEW\n`, 'no answer changes nothing')
  })

  test('quotes a key so that any mark in it survives', async () => {
    for (const secret of ["a'b#c", 'a`b"c$', '"quoted"', 'back\\slash#']) {
      await init({ force: true }, around(), answers('PK123', secret))
      assert.equal(parse(file('.env')).APCA_API_SECRET_KEY, secret)
    }
  })

  test('keeps .env out of git, once', async () => {
    mkdirSync(join(cwd, '.git'))
    writeFileSync(join(cwd, '.gitignore'), 'dist')
    await init({}, around(), undefined)
    await init({ force: true }, around(), undefined)
    assert.equal(file('.gitignore'), 'dist\n.env\n')
  })

  test('a repository above that ignores it already is left alone', async () => {
    mkdirSync(join(cwd, '.git'))
    writeFileSync(join(cwd, '.gitignore'), '/.env\n.env\n')
    mkdirSync(join(cwd, 'below'))
    await init({}, { argv: [], env: {}, cwd: join(cwd, 'below') }, undefined)
    assert.ok(existsSync(join(cwd, 'below', '.env')))
    assert.ok(!existsSync(join(cwd, 'below', '.gitignore')))
  })

  test('a key with white space inside is refused at the question', () => {
    assert.equal(problemWith('PK123 '), undefined)
    assert.equal(problemWith(undefined), undefined)
    assert.match(problemWith('two words')!, /one word/)
  })
})
