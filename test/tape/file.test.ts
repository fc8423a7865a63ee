import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../src/base/log.ts'
import { openFileTape } from '../../src/tape/file/file.ts'
import { tapeSuite } from '../../src/testing/tape-suite.ts'

tapeSuite('file', async capacity => {
  const folder = await mkdtemp(join(tmpdir(), 'tickwire-tape-'))
  // The capacity is that of its memory alone: what has left it is read from the files.
  const tape = await openFileTape({ folder, capacity, log: silentLog })
  return { tape, remove: () => rm(folder, { recursive: true }) }
})
