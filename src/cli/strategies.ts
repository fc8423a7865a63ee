import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createJiti } from 'jiti'
import { asError, TickwireError } from '../base/errors.ts'
import { isStrategy, type Strategy } from '../bot/strategy.ts'

/** What a strategy file may import by name wherever it lies: this very package, and the library its parameters are said with. */
const HERE: Readonly<Record<string, string>> = {
  'tickwire/bot': 'bot/index',
  'tickwire/indicators': 'derive/indicators',
  'tickwire/derive': 'derive/index',
  tickwire: 'index',
}

/**
 * The strategy that is the default export of a file, TypeScript or JavaScript, taken as it is.
 * @throws BAD_STRATEGY when it is not there, does not compile, fails while it is loaded, or exports no strategy
 */
export async function loadStrategy(file: string, cwd: string): Promise<Strategy> {
  const path = resolve(cwd, file)
  if (!existsSync(path)) {
    throw new TickwireError('BAD_STRATEGY', `there is no file ${file}`, {
      hint: '`tickwire bot new NAME` writes one.',
    })
  }
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
  const alias = Object.fromEntries(
    Object.entries(HERE).map(([name, place]) => [
      name,
      fileURLToPath(new URL(`../${place}${ending}`, import.meta.url)),
    ]),
  )
  const zod = fileURLToPath(import.meta.resolve('zod'))
  const jiti = createJiti(import.meta.url, {
    alias: { ...alias, zod },
    fsCache: false,
    moduleCache: false,
  })
  let loaded: unknown
  try {
    loaded = await jiti.import(path, { default: true })
  } catch (thrown) {
    const { message } = asError(thrown)
    throw new TickwireError('BAD_STRATEGY', `${file} cannot be loaded: ${firstLines(message)}`, {
      hint: 'Mend the file; --debug shows where.',
      cause: thrown,
    })
  }
  if (isStrategy(loaded)) return loaded
  throw new TickwireError('BAD_STRATEGY', `${file} exports no strategy`, {
    hint: 'Write `export default defineStrategy({ … })`.',
  })
}

const firstLines = (message: string) => message.split('\n').slice(0, 4).join('\n')
