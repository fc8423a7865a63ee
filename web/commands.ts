import { ask } from './keys.ts'
import { layouts, lists, nextTheme, SCHEMES, setScheme } from './settings.ts'
import {
  dialog,
  focus,
  groups,
  nextZone,
  setGroups,
  setInterval,
  showView,
  togglePanel,
  toggleStudy,
  words,
} from './state.ts'
import { headingOf, moved, PANELS, STUDIES, viewOf } from './view.ts'
import { INTERVALS } from './wire.ts'

export interface Command {
  readonly name: string
  readonly run: () => void
}

const SCHEME_WORDS = {
  green: 'green up, red down',
  red: 'red up, green down',
  blue: 'blue up, orange down (for the colour-blind)',
} as const

const ALWAYS: readonly Command[] = [
  { name: 'Dark or light', run: nextTheme },
  ...SCHEMES.map(name => ({ name: `Colours: ${SCHEME_WORDS[name]}`, run: () => setScheme(name) })),
  { name: 'Times: UTC, local, exchange', run: nextZone },
  { name: 'Chart: go to now', run: () => ask('live') },
  ...INTERVALS.map(name => ({ name: `Chart: bars of ${name}`, run: () => setInterval(name) })),
  ...STUDIES.map(name => ({ name: `Chart: ${name.toUpperCase()}`, run: () => toggleStudy(name) })),
  ...PANELS.map(name => ({ name: `Show or hide: ${name}`, run: () => togglePanel(name) })),
  { name: 'Book: keep the best prices in the middle, or stand still', run: () => ask('centre') },
  { name: 'Frames: what the venue sent', run: () => void (dialog.value = 'inspector') },
  { name: 'Say how things stand', run: () => ask('say') },
  { name: 'Keys', run: () => void (dialog.value = 'help') },
]

/** All there is to be done now, by what was typed: that may be a name, too. */
export function commandsFor(typed: string): readonly Command[] {
  const wanted = typed.toUpperCase()
  const symbol = focus.value
  const own = groups.value.find(group => group.symbols.includes(symbol))
  const kept = [
    ...Object.entries(lists.all.value).flatMap(([name, text]) => [
      { name: `List: ${name}`, run: () => setGroups(viewOf(text).groups ?? []) },
      { name: `Forget the list: ${name}`, run: () => lists.forget(name) },
    ]),
    ...Object.entries(layouts.all.value).flatMap(([name, text]) => [
      { name: `Layout: ${name}`, run: () => showView(text) },
      { name: `Forget the layout: ${name}`, run: () => layouts.forget(name) },
    ]),
    ...groups.value
      .filter(group => symbol !== '' && group !== own)
      .map(({ name }) => ({
        name: `Move ${symbol} under ${name === '' ? 'no heading' : name}`,
        run: () => setGroups(moved(groups.value, symbol, name)),
      })),
  ]
  const found = [...kept, ...ALWAYS].filter(({ name }) => name.toUpperCase().includes(wanted))
  return [...found, ...namings(headingOf(typed), symbol)]
}

/** What gives something the name that was typed. */
function namings(name: string, symbol: string): readonly Command[] {
  if (name === '') return []
  return [
    { name: `Keep the list as “${name}”`, run: () => lists.save(name, listWords()) },
    { name: `Keep the layout as “${name}”`, run: () => layouts.save(name, words()) },
    ...(symbol === ''
      ? []
      : [
          {
            name: `Move ${symbol} under a heading “${name}”`,
            run: () => setGroups(moved(groups.value, symbol, name)),
          },
        ]),
  ]
}

/** The list alone, as a view that says nothing else. */
const listWords = () =>
  words()
    .split('&')
    .find(part => part.startsWith('watch='))!
