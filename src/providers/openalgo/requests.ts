/**
 * Subscriptions as messages. The server sends each tick of a symbol once, under the richest mode the client has of it,
 * and sends nothing of a poorer mode while its broker has a richer one: so a symbol is subscribed in one mode only, the
 * richest any of its topics needs.
 */
import type { Request } from '../../feed/description.ts'
import type { Topic } from '../../market/topics.ts'
import { MODES, type Mode, type ModePlan, modeNumber, richest } from './modes.ts'
import { venueName } from './symbols.ts'

/** Symbols of a message; the server takes frames of up to 1 MiB. */
export const MOST_NAMES = 500

/** Asks for `topics`, which are among `held`. */
export function subscribeRequests(
  topics: readonly Topic[],
  held: readonly Topic[],
  plan: ModePlan,
  depth: number,
): Request[] {
  const fresh = new Set(topics)
  const before = held.filter(topic => !fresh.has(topic))
  const [now, then] = [modesOf([...before, ...topics], plan), modesOf(before, plan)]
  const names = new Set(topics.map(({ symbol }) => symbol))
  return [
    ...asking(names, now, topics, depth),
    // The richer one first: nothing is missed in between.
    ...lettingGo(names, then, now),
  ]
}

/** Lets go of `topics`; `held` stays. */
export function unsubscribeRequests(
  topics: readonly Topic[],
  held: readonly Topic[],
  plan: ModePlan,
  depth: number,
): Request[] {
  const [then, now] = [modesOf([...held, ...topics], plan), modesOf(held, plan)]
  const names = new Set(topics.map(({ symbol }) => symbol))
  const poorer = [...names].filter(name => now.has(name) && now.get(name) !== then.get(name))
  return [...asking(poorer, now, [], depth), ...lettingGo(names, then, now)]
}

/** The mode each symbol needs. */
function modesOf(topics: readonly Topic[], plan: ModePlan): Map<string, Mode> {
  const modes = new Map<string, Mode>()
  for (const { symbol, kind } of topics) {
    const [one, other] = [plan.of(kind), modes.get(symbol)]
    modes.set(symbol, other ? richest([one, other])! : one)
  }
  return modes
}

/** A message has one mode. */
function asking(
  names: Iterable<string>,
  modes: ReadonlyMap<string, Mode>,
  topics: readonly Topic[],
  depth: number,
): Request[] {
  const list = [...names]
  return MODES.flatMap(mode =>
    chunked(list.filter(name => modes.get(name) === mode)).map(chunk => {
      const members = new Set(chunk)
      const message = {
        ...{ action: 'subscribe', symbols: chunk.map(venueName), mode },
        ...(mode === 'depth' && { depth }),
      }
      return {
        frame: () => JSON.stringify(message),
        topics: topics.filter(({ symbol }) => members.has(symbol)),
      }
    }),
  )
}

/** In this message each symbol says its mode itself; a mode beside the list is not heeded. */
function lettingGo(
  names: Iterable<string>,
  then: ReadonlyMap<string, Mode>,
  now: ReadonlyMap<string, Mode>,
): Request[] {
  const gone = [...names].filter(name => then.has(name) && then.get(name) !== now.get(name))
  return chunked(gone).map(chunk => {
    const symbols = chunk.map(name => ({ ...venueName(name), mode: modeNumber(then.get(name)!) }))
    // Made with a number, as answers to it are none to anything else.
    return { frame: () => JSON.stringify({ action: 'unsubscribe', symbols }), topics: [] }
  })
}

function chunked(names: readonly string[]): string[][] {
  const chunks: string[][] = []
  for (let i = 0; i < names.length; i += MOST_NAMES) {
    chunks.push(names.slice(i, i + MOST_NAMES))
  }
  return chunks
}
