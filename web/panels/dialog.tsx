import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { dialog } from '../state.ts'

interface Props {
  readonly title: string
  readonly class?: string
  readonly children: ComponentChildren
}

/** Above all else; Escape and a click beside it close it. */
export function Dialog({ title, class: name, children }: Props) {
  const box = useRef<HTMLDialogElement>(null)
  useEffect(() => box.current?.showModal(), [])
  const close = () => void (dialog.value = 'none')
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it
    <dialog
      ref={box}
      class={name}
      aria-label={title}
      onClose={close}
      onClick={event => event.target === event.currentTarget && close()}
    >
      {children}
    </dialog>
  )
}
