import type { Command } from 'commander'
import { keysCreate, keysList, keysRevoke, parseScopes } from './commands/keys.ts'
import type { Surroundings } from './config.ts'
import { countOf, lifeOf, pathOf } from './flags.ts'

const KEYS_HELP = `
A key is shown when it is made and never again; the file holds a hash of it. A running gateway knows new keys, and lets go of
revoked ones, within two seconds. Scopes: read (live data), history (what is stored), trade, admin (who is connected).

Examples:
  tickwire keys create grafana
  tickwire keys create bot --scopes read,history --symbols 50 --connections 2
  tickwire keys create guest --scopes read --expires 30d
  tickwire keys revoke guest`

/** `tickwire keys`: who may use the gateway. Returns the commands of the group. */
export function addKeysCommands(
  program: Command,
  around: Surroundings,
  finish: (exit: number) => void,
): readonly Command[] {
  const keys = program
    .command('keys')
    .description('make, list and revoke keys of the gateway')
    .addHelpText('after', KEYS_HELP)
  const command = (name: string, description: string) =>
    keys
      .command(name)
      .description(description)
      .option('--data <folder>', 'where the keys are, instead of .tickwire', pathOf('--data'))
      .option('--config <file>', 'instead of ./tickwire.config.yaml', pathOf('--config'))
      .option('--json', 'as JSON')
      .option('--debug', 'show where errors come from')
  command('create', 'make a key and print it')
    .argument('<name>', 'who or what is to have it')
    .option(
      '--scopes <list>',
      'any of read, history, trade, admin (default: read,history)',
      parseScopes,
    )
    .option('--symbols <n>', 'most in one connection', countOf('--symbols'))
    .option('--connections <n>', 'most at the same time', countOf('--connections'))
    .option('--requests <n>', 'most a second', countOf('--requests'))
    .option('--expires <time>', 'ends by itself after 12h, 30d', lifeOf('--expires'))
    .action(async (name: string, flags) => finish(await keysCreate(name, flags, around)))
  command('list', 'the keys there are, revoked ones too').action(async flags =>
    finish(await keysList(flags, around)),
  )
  command('revoke', 'end a key')
    .argument('<name>', 'its name or id')
    .action(async (name: string, flags) => finish(await keysRevoke(name, flags, around)))
  return keys.commands
}
