export function undoing(removals: readonly (() => void)[]): () => void {
  return () => {
    for (const remove of removals) remove()
  }
}

export function once(call: () => void): () => void {
  let called = false
  return () => {
    if (called) return
    called = true
    call()
  }
}

/** Calls `end` when the signal aborts; returns what ends it otherwise. */
export function endedBy(signal: AbortSignal | undefined, end: () => void): () => void {
  const unwatch = onAbort(signal, end)
  return () => {
    unwatch()
    end()
  }
}

/** Calls `end` when the signal aborts, unless what is returned has been called before. */
export function onAbort(signal: AbortSignal | undefined, end: () => void): () => void {
  if (signal?.aborted) end()
  else signal?.addEventListener('abort', end, { once: true })
  return () => signal?.removeEventListener('abort', end)
}
