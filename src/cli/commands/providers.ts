import { asText, compareProviders } from '../comparison.ts'
import { Output } from '../output.ts'

export interface ProvidersFlags {
  readonly json?: boolean
}

/** `tickwire providers`: what each provider carries and how it works. Nothing is connected. */
export async function providers({ json }: ProvidersFlags): Promise<number> {
  const all = compareProviders()
  const output = new Output(1, error => {
    if (error) throw error
  })
  output.put(json ? `${JSON.stringify(all, undefined, 2)}\n` : asText(all))
  await output.flush()
  return 0
}
