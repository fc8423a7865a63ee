import { TickwireError } from '../base/errors.ts'
import { didYouMean } from '../base/suggest.ts'
import { PROVIDERS, type ProviderName, valuesAt } from './schema.ts'

/** Flags that are settings of whichever provider is chosen, where it has such a one: `polygon.market`, `alpaca.feed`. */
export const VENUE_FLAGS = ['market', 'feed'] as const
export type VenueFlag = (typeof VENUE_FLAGS)[number]

/** What such a flag may be for a provider; `undefined` where it has no such setting. */
export function choicesOf(flag: VenueFlag, provider: ProviderName): readonly string[] | undefined {
  return valuesAt([provider, flag])
}

/** The providers that have such a setting, and where one is given, this value of it. */
export function ownersOf(flag: VenueFlag, value?: string): readonly ProviderName[] {
  return PROVIDERS.filter(provider => {
    const choices = choicesOf(flag, provider)
    return choices !== undefined && (value === undefined || choices.includes(value))
  })
}

/** `of alpaca: iex sip …; of polygon: realtime …`, for the help of a command. */
export function describeChoices(flag: VenueFlag, of = ownersOf(flag)): string {
  return of.map(provider => `of ${provider}: ${choicesOf(flag, provider)!.join(' ')}`).join('; ')
}

/**
 * The settings such flags come to; `provider` is `undefined` where none is chosen and no key says which.
 * @throws BAD_OPTION or UNKNOWN_FEED for what the provider, or every provider, has not
 */
export function settingsOf(
  flags: { readonly [flag in VenueFlag]?: string | undefined },
  provider: ProviderName | undefined,
): { readonly [provider: string]: { readonly [flag in VenueFlag]?: string } } {
  const settings: { [provider: string]: { [flag in VenueFlag]?: string } } = {}
  for (const flag of VENUE_FLAGS) {
    const value = flags[flag]
    if (value === undefined) continue
    const choices =
      provider === undefined
        ? ownersOf(flag).flatMap(name => choicesOf(flag, name)!)
        : choicesOf(flag, provider)
    // One that has no such setting is told so by whoever knows which provider it came to be.
    if (!choices) continue
    if (!choices.includes(value)) throw unknown(flag, value, provider, choices)
    const [owner] = provider === undefined ? ownersOf(flag, value) : [provider]
    settings[owner!] = { ...settings[owner!], [flag]: value }
  }
  return settings
}

function unknown(
  flag: VenueFlag,
  value: string,
  provider: ProviderName | undefined,
  choices: readonly string[],
): TickwireError {
  const who = provider ?? 'any provider'
  const owners = ownersOf(flag, value)
  const hint =
    owners.length > 0
      ? `${value} is a ${flag} of ${owners.join(' and ')}: add --provider ${owners[0]}. Of ${who}: ${choices.join(', ')}.`
      : didYouMean(value, [...new Set(choices)])
  const message = `no ${flag} ${JSON.stringify(value)} of ${who}`
  return new TickwireError(flag === 'feed' ? 'UNKNOWN_FEED' : 'BAD_OPTION', message, { hint })
}

/** @throws BAD_OPTION for a flag that means nothing to the provider */
export function checkVenueFlags(
  flags: { readonly [flag in VenueFlag]?: string | undefined },
  provider: ProviderName,
): void {
  for (const flag of VENUE_FLAGS) {
    if (flags[flag] !== undefined && !choicesOf(flag, provider)) throw means(flag, provider)
  }
}

function means(flag: VenueFlag, provider: ProviderName): TickwireError {
  const message = `--${flag} means nothing to the provider ${provider}`
  const owners = ownersOf(flag).join(' or ')
  return new TickwireError('BAD_OPTION', message, {
    hint: `It has no such setting. Leave it out, or choose --provider ${owners}.`,
  })
}

/** As it stands in the settings. */
export const parseWord = (text: string): string => text.trim().toLowerCase()
