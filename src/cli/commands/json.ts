import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parse } from 'yaml'
import { TickwireError } from '../../base/errors.ts'
import { QUARANTINE_RULES } from '../../feed/quarantine.ts'
import type { MarketEvent } from '../../market/events.ts'
import { encodeEvent } from '../../market/json.ts'
import { checkJson, type JsonConfigInput } from '../../providers/json/index.ts'
import { asList, type Surroundings } from '../config.ts'

export interface JsonCheckFlags {
  readonly symbols?: string
  readonly json?: boolean
}

/** The configuration of a vendor from a YAML or JSON file. @throws BAD_CONFIG */
export function readVendor(file: string, cwd: string): JsonConfigInput {
  try {
    return parse(readFileSync(resolve(cwd, file), 'utf8')) as JsonConfigInput
  } catch (cause) {
    const message = (cause as Error).message.split('\n')[0]
    throw new TickwireError('BAD_CONFIG', `${file} cannot be read: ${message}`, {
      hint: 'Check the path; docs/providers/json.md says what stands in such a file.',
      cause,
    })
  }
}

/**
 * `tickwire json check`: what a vendor's configuration makes of a frame, and what it sends. Exit code 6 when the frame,
 * or a part of it, is not what the configuration expects.
 */
export function jsonCheck(
  file: string,
  frame: string | undefined,
  flags: JsonCheckFlags,
  { cwd, env }: Surroundings,
): number {
  const config = readVendor(file, cwd)
  const text = frame === '-' ? readFileSync(0, 'utf8').trim() : frame
  const symbols = asList(flags.symbols ?? '')
  const { events, quarantined, controls, malformed, unknown, sent } = checkJson(config, {
    ...{ variables: env, symbols },
    ...(text !== undefined && { frame: text }),
  })
  if (flags.json) {
    const parsed = (event: MarketEvent) => JSON.parse(encodeEvent(event)) as unknown
    const kept = quarantined.map(({ rule, event }) => ({ rule, event: parsed(event) }))
    const rest = { quarantined: kept, controls, malformed, unknown }
    console.log(JSON.stringify({ sent, events: events.map(parsed), ...rest }))
  } else {
    const lines = [
      ...sent.map(message => `sends      ${message}`),
      ...events.map(event => `event      ${encodeEvent(event)}`),
      ...quarantined.map(
        ({ rule, event }) => `kept back  ${QUARANTINE_RULES[rule]}: ${encodeEvent(event)}`,
      ),
      ...controls.map(name => `says       ${name}`),
      ...unknown.map(name => `unknown    ${name}: no rule of the configuration fits it`),
      ...malformed.map(reason => `malformed  ${reason}`),
    ]
    if (text !== undefined && lines.length === sent.length)
      lines.push('nothing    it is passed over')
    console.log(lines.length > 0 ? lines.join('\n') : 'The configuration is good.')
  }
  return malformed.length + unknown.length + quarantined.length > 0 ? 6 : 0
}
