import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { runCommand } from '../../src/cli/program.ts'
import {
  appendBlocks,
  blocksOf,
  breakBlock,
  change,
  filesOf,
  openTape,
  readAll,
  tempFolder,
} from '../tape/kit.ts'
import { cli, lines } from './child.ts'

/** A closed tape, each run a file. */
async function recorded(t: TestContext, runs: readonly (readonly number[])[]): Promise<string> {
  const folder = tempFolder(t)
  for (const sizes of runs) {
    const tape = await openTape(t, folder)
    await appendBlocks(tape, sizes)
    await tape.close()
  }
  return folder
}

/** Runs a command that prints nothing to standard output, in this process. */
async function run(t: TestContext, args: readonly string[]) {
  let stderr = ''
  const writing = t.mock.method(process.stderr, 'write', (text: string) => {
    stderr += text
    return true
  })
  const cwd = tempFolder(t)
  const code = await runCommand(() => ({ argv: [...args], env: {}, cwd }))
  writing.mock.restore()
  return { code, stderr, said: lines(stderr) }
}

describe('tickwire tape', () => {
  test('info says what a tape holds', async t => {
    const folder = await recorded(t, [[3, 2], [4]])
    const { code, stdout, stderr } = await cli(['tape', 'info', folder])
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^events {4}9, /m)
    assert.match(stdout, /^numbers {3}1 to 9$/m)
    assert.match(stdout, /^files {5}2, .* 1 compressed$/m)
  })

  test('verify reads everything, and ends with 6 where something is damaged', async t => {
    const folder = await recorded(t, [[3, 2, 4]])
    const [path] = filesOf(folder)
    breakBlock(path!, (await blocksOf(path!))[1]!)
    const [said, json] = await Promise.all([
      cli(['tape', 'verify', folder]),
      cli(['tape', 'verify', folder, '--json']),
    ])
    assert.equal(said.code, 6)
    assert.match(said.stdout, /^numbers 4 to 5 cannot be read$/m)
    assert.match(said.stderr, /1 of 1 files are damaged, 2 events cannot be read/)
    assert.match(said.said.at(-1)!, /^ {2}→ /)
    assert.equal(json.code, 6)
    const info = JSON.parse(json.stdout)
    assert.deepEqual([info.events, info.foreign, info.missing], [7, [], [{ from: 4, to: 5 }]])
    const { first, last, events, sealed, damage } = info.segments[0]
    assert.deepEqual([first, last, events, sealed, damage.length], [1, 9, 7, false, 1])
  })

  test('compact merges files, and leaves every event as it is', async t => {
    const folder = await recorded(t, [[3], [2], [4]])
    const { code, stderr } = await run(t, ['tape', 'compact', folder])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /3 files of .* are now 1 of /)
    const tape = await openTape(t, folder)
    assert.equal((await readAll(tape)).length, 9)
  })

  test('what cannot be is one clear line, a way out and the right exit code', async t => {
    const folder = tempFolder(t)
    writeFileSync(join(folder, 'file'), 'x')
    const busy = await recorded(t, [[1]])
    await openTape(t, busy)
    const newer = await recorded(t, [[1]])
    change(filesOf(newer)[0]!, bytes => {
      bytes.writeUInt16LE(9, 8)
      return bytes
    })
    const broken = await recorded(t, [[1]])
    writeFileSync(join(broken, 'tape.json'), '{')
    const record = ['record', 'SPY', '-p', 'simulated', '--duration', '300ms', '--tape']
    for (const [args, exit, says] of [
      [['tape', 'info', folder], 2, /no tape in/],
      [['tape', 'info', join(folder, 'none')], 2, /no tape in/],
      [['tape', 'verify', join(folder, 'file')], 2, /no tape in/],
      [['tape', 'verify', newer], 3, /format version 9/],
      [['tape', 'info', broken], 6, /damaged/],
      [['tape', 'compact', busy], 5, /records to the tape/],
      [[...record, busy], 5, /records to the tape/],
      [[...record, join(folder, 'file')], 5, /no tape can be written/],
      [[...record, newer], 3, /format version 9/],
    ] as const) {
      const { code, said, stderr } = await run(t, args)
      assert.equal(code, exit, `${args.join(' ')}\n${stderr}`)
      assert.match(said.at(-2)!, says)
      assert.match(said.at(-1)!, /^ {2}→ /)
    }
  })
})

test('tickwire record writes what comes, and the tape goes on with the next run', async t => {
  const folder = tempFolder(t)
  const what = ['SPY', '-p', 'simulated', '--rate', '500', '--limit', '50']
  for (let n = 0; n < 2; n++) {
    const { code, stderr } = await run(t, ['record', ...what, '--tape', folder])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /recorded to/)
  }
  const tape = await openTape(t, folder)
  const events = await readAll(tape)
  assert.deepEqual(
    events.map(event => event.seq),
    events.map((_, i) => i + 1),
  )
  assert.ok(events.filter(event => event.type !== 'notice').length >= 100, 'both runs')
  assert.ok(!events.some(event => event.type === 'notice' && event.notice === 'lost'), 'no hole')
})
