import { computed, effect, signal } from '@preact/signals'

/*
 * What this browser remembers of whoever looks: how the page looks, and what they have given a name.
 */

export type Theme = 'dark' | 'light'
/** Of what rises and falls: green and red, red and green as in East Asia, blue and orange for whoever cannot tell these apart. */
export const SCHEMES = ['green', 'red', 'blue'] as const
export type Scheme = (typeof SCHEMES)[number]

/** What was kept under a name; nothing where the browser keeps nothing, or what it kept makes no sense. */
function read(name: string): string | undefined {
  try {
    return localStorage.getItem(`tickwire.${name}`) ?? undefined
  } catch {
    return undefined
  }
}

function write(name: string, text: string): void {
  try {
    localStorage.setItem(`tickwire.${name}`, text)
  } catch {
    // A browser that keeps nothing forgets: the page works all the same.
  }
}

const preferred = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark'
const keptTheme = read('theme')
export const theme = signal<Theme>(
  keptTheme === 'dark' || keptTheme === 'light' ? keptTheme : preferred,
)
const keptScheme = read('scheme')
export const scheme = signal<Scheme>(SCHEMES.find(name => name === keptScheme) ?? 'green')

export function setTheme(name: Theme): void {
  theme.value = name
  write('theme', name)
}

export function nextTheme(): void {
  setTheme(theme.value === 'dark' ? 'light' : 'dark')
}

export function setScheme(name: Scheme): void {
  scheme.value = name
  write('scheme', name)
}

/** The page's colours follow. */
export function dress(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value
    document.documentElement.dataset.scheme = scheme.value
  })
}

const dressed = computed(() => {
  void theme.value
  void scheme.value
  return new Map<string, string>()
})

/** A colour of the page, for what is painted on a canvas; who asks in an effect is called again when it is another one. */
export function colour(name: string): string {
  const known = dressed.value
  let text = known.get(name)
  if (text === undefined) {
    text = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
    known.set(name, text)
  }
  return text
}

/** What has been given a name: the words of a list or of a whole view, as they stand in the address. */
class Named {
  readonly all = signal<Readonly<Record<string, string>>>({})
  readonly #key: string

  constructor(key: string) {
    this.#key = key
    this.all.value = parsed(read(key))
  }

  save(name: string, words: string): void {
    this.#set({ ...this.all.value, [name]: words })
  }

  forget(name: string): void {
    const { [name]: _gone, ...others } = this.all.value
    this.#set(others)
  }

  #set(all: Readonly<Record<string, string>>): void {
    this.all.value = all
    write(this.#key, JSON.stringify(all))
  }
}

function parsed(text: string | undefined): Record<string, string> {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    if (typeof value !== 'object' || value === null) return {}
    const entries = Object.entries(value).filter(([, words]) => typeof words === 'string')
    return Object.fromEntries(entries) as Record<string, string>
  } catch {
    return {}
  }
}

export const lists = new Named('lists')
export const layouts = new Named('layouts')
