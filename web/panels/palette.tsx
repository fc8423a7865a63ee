import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { commandsFor } from '../commands.ts'
import { dialog, search, show, watch } from '../state.ts'
import { Dialog } from './dialog.tsx'

interface Choice {
  readonly title: string
  readonly more: string
  readonly run: () => void
}

/** Finds symbols and commands. */
export function Palette() {
  const text = useSignal('')
  const found = useSignal<
    readonly { readonly symbol: string; readonly name?: string | undefined }[]
  >([])
  const at = useSignal(0)
  const typed = text.value.trim()
  useEffect(() => {
    if (typed === '') {
      found.value = []
      return
    }
    let isOver = false
    const timer = setTimeout(async () => {
      const { symbols } = await search(typed)
      if (!isOver) found.value = symbols
    }, 150)
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [typed])
  const choices = choicesOf(typed, found.value)
  const chosen = Math.min(at.value, choices.length - 1)
  const run = (choice: Choice | undefined) => {
    if (!choice) return
    dialog.value = 'none'
    choice.run()
  }
  return (
    <Dialog title="Find a symbol or a command">
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="choices"
        aria-activedescendant={`choice-${chosen}`}
        aria-label="Symbol or command"
        placeholder="Symbol or command"
        autocomplete="off"
        spellcheck={false}
        autoFocus
        value={text.value}
        onInput={event => {
          text.value = event.currentTarget.value
          at.value = 0
        }}
        onKeyDown={event => {
          const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
          if (by !== 0) at.value = Math.max(0, Math.min(choices.length - 1, chosen + by))
          else if (event.key === 'Enter') run(choices[chosen])
          else return
          event.preventDefault()
        }}
      />
      <div id="choices" role="listbox" aria-label="Found">
        {choices.map((choice, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the input's
          <div
            id={`choice-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === chosen}
            onClick={() => run(choice)}
          >
            {choice.title} <span class="soft">{choice.more}</span>
          </div>
        ))}
      </div>
    </Dialog>
  )
}

function choicesOf(
  typed: string,
  found: readonly { readonly symbol: string; readonly name?: string | undefined }[],
): readonly Choice[] {
  const wanted = typed.toUpperCase()
  const symbols = typed === '' ? watch.value.map(symbol => ({ symbol, name: undefined })) : found
  const choices = symbols.map(({ symbol, name }) => ({
    title: symbol,
    more: [name, watch.value.includes(symbol) ? '' : 'add'].filter(Boolean).join(' · '),
    run: () => show(symbol),
  }))
  const isKnown = symbols.some(one => one.symbol.toUpperCase() === wanted)
  const typedOne = { title: wanted, more: 'add as it is written', run: () => show(wanted) }
  return [
    ...choices,
    ...(typed === '' || isKnown ? [] : [typedOne]),
    ...commandsFor(typed).map(({ name, run }) => ({ title: name, more: 'command', run })),
  ]
}
