import { useSignal } from '@preact/signals'
import { showKey, status } from '../state.ts'

/** The gateway wants a key; the browser keeps none of it but a cookie no script can read. */
export function KeyForm() {
  const key = useSignal('')
  const { keyRefused } = status.value
  return (
    <form
      class="key"
      onSubmit={event => {
        event.preventDefault()
        showKey(key.value.trim())
        key.value = ''
      }}
    >
      <h2>This gateway wants a key</h2>
      <label>
        Key
        <input
          type="password"
          autocomplete="off"
          placeholder="tw_…"
          value={key.value}
          onInput={event => void (key.value = event.currentTarget.value)}
        />
      </label>
      <button type="submit" disabled={key.value.trim() === ''}>
        Show it
      </button>
      {keyRefused && <p role="alert">{keyRefused}</p>}
      <p class="soft">
        <code>tickwire keys create NAME</code> makes one with the scopes read and history.
      </p>
    </form>
  )
}
