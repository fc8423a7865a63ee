import { openApp } from '../../app/app.ts'
import type { ReplayProvider } from '../../providers/replay/provider.ts'
import type { Config, Surroundings } from '../config.ts'
import { createLog, say } from '../console.ts'
import { readKeys } from '../keys.ts'
import { press } from '../replay-keys.ts'
import { Run } from '../run.ts'
import { gatewayOf, type Listen, ServingState } from '../serving.ts'
import { bannerOf, conclude } from './stream.ts'

export interface ReplayServed {
  readonly provider: ReplayProvider
  readonly tape: { close(): Promise<void> }
  readonly listen: Listen
  readonly config: Config
  readonly debug: boolean
}

/**
 * `tickwire replay --listen`: a gateway whose source is the recording, so that page and bots see it as it was. It begins with
 * the first who asks for something, and stays until it is ended. Resolves with the exit code.
 */
export async function serveReplay(
  { provider, tape, listen, config, debug }: ReplayServed,
  around: Surroundings,
): Promise<number> {
  const gateway = gatewayOf(config, { listen }, around)
  const app = await openApp({
    ...{ feeds: [{ provider }], gateway, log: createLog(config, around.env) },
    tapeCapacity: config.tape.capacity,
  })
  const run = new Run()
  const banner = bannerOf(provider.capabilities)
  if (banner) say(banner)
  for (const line of new ServingState(app, gateway).lines) say(line)
  say('it begins with the first who asks for something')
  const quit = () => run.done()
  if (readKeys(run.signal, key => press(key, provider, { say, quit }))) {
    say('space pauses · → steps · + - speed · [ ] a minute back or on · q ends')
  }
  app.feeds[0]!.done.then(
    () => say('the recording has ended'),
    error => run.fail(error),
  )
  const ending = await run.ended
  await app.close()
  await tape.close()
  return conclude(ending, debug, () => 'ended')
}
