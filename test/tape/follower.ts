// A process that does nothing but read a tape as it grows, for test/tape/file-follow.test.ts: says where each batch ends.
import { followFileTape } from '../../src/tape/file/follow.ts'

const tape = await followFileTape({ folder: process.argv[2]! })
for await (const batch of tape.read({ from: 'start' })) console.log(batch.at(-1)!.seq)
