import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Database, type DatabaseOptions, type Session } from './duckdb.ts'
import type { Note } from './parts.ts'
import { createHot } from './schema.ts'
import { storeTrouble } from './trouble.ts'

export interface Hot {
  readonly database: Database
  readonly session: Session
}

/**
 * Opens the file of open days, with a session to write to it; one that is damaged is set aside, as far as it has to be.
 * @throws STORE_DRIVER_MISSING STORE_IN_USE STORE_UNWRITABLE STORE_DAMAGED
 */
export async function openHot(options: Omit<DatabaseOptions, 'file'>, notes: Note[]): Promise<Hot> {
  const { folder } = options
  const file = join(folder, 'hot.duckdb')
  for (const aside of [`${file}.wal`, file]) {
    try {
      return await open({ ...options, file })
    } catch (thrown) {
      const error = storeTrouble(thrown, folder, 'the store cannot be opened')
      if (error.code !== 'STORE_DAMAGED') throw error
      if (!existsSync(aside)) continue
      await rename(aside, `${aside}.damaged`)
      notes.push({
        level: 'warn',
        fields: { file: aside, error: error.message },
        message: `${aside} is damaged and set aside as ${aside}.damaged: what it held comes from the tape again`,
      })
    }
  }
  return open({ ...options, file })
}

async function open(options: DatabaseOptions): Promise<Hot> {
  const database = await Database.open(options)
  let session: Session | undefined
  try {
    session = await database.connect()
    await createHot(session)
    return { database, session }
  } catch (error) {
    session?.close()
    database.close()
    throw error
  }
}
