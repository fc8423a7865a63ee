import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { booksChecks } from './provider-suite-books.ts'
import { dataChecks } from './provider-suite-data.ts'
import type { ProviderTraits, SuiteCheck } from './provider-suite-kit.ts'
import { lifeChecks } from './provider-suite-life.ts'

export type {
  DocumentedFrame,
  FixtureOptions,
  FrameSource,
  ProviderFixture,
  ProviderTraits,
  TradeFields,
} from './provider-suite-kit.ts'

/** One thing a provider must do; it rejects when the provider does not. */
export interface ProviderCheck {
  readonly title: string
  run(): Promise<void>
}

/**
 * What every provider must do, as data: those that make sense for its capabilities, for runners other than Node's and to
 * try the suite itself. In memory, on a clock turned by hand.
 */
export function providerChecks(traits: ProviderTraits): readonly ProviderCheck[] {
  const checks = allChecks(traits).flatMap(check => ('run' in check ? check : []))
  const title = 'what cannot be tried on it is what it says, each with the reason'
  const run = async () => assert.deepEqual(reasonsOf(traits), traits.excludes ?? {})
  return [...checks, { title, run }]
}

/** The others: what cannot be tried on a provider, and which of its capabilities, or of its venue's, excludes it. */
export function excludedChecks(
  traits: ProviderTraits,
): readonly { readonly title: string; readonly excluded: string }[] {
  return allChecks(traits).flatMap(check => ('excluded' in check ? check : []))
}

const reasonsOf = (traits: ProviderTraits) =>
  Object.fromEntries(excludedChecks(traits).map(({ title, excluded }) => [title, excluded]))

const allChecks = (traits: ProviderTraits): readonly SuiteCheck[] => [
  ...lifeChecks(traits),
  ...dataChecks(traits),
  ...booksChecks(traits),
]

/**
 * Every provider passes this: handshake, refusals, acknowledgements, limits, every kind from documented frames, heartbeat,
 * mute sockets, cuts, repair, books, malformed frames, clean end. Call it in a test file of Node's runner. What cannot be
 * tried on it stands in its `excludes`, which one test compares.
 */
export function providerSuite(name: string, traits: ProviderTraits): void {
  describe(`${name} as a provider`, () => {
    for (const { title, run } of providerChecks(traits)) test(title, run)
  })
}
