import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { age, price } from '../format.ts'
import { asked } from '../keys.ts'
import { focus, ladder, now, rowOf, status, watch } from '../state.ts'

const said = signal('')
/** How long it stands for those who see it, ms. */
const STANDS_MS = 12_000

/** How things stand, in sentences: read out by a screen reader, and shown, when somebody asks for it. */
export function Summary() {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const say = () => {
      clearTimeout(timer)
      said.value = sentences()
      timer = setTimeout(() => void (said.value = ''), STANDS_MS)
    }
    asked.addEventListener('say', say)
    return () => {
      clearTimeout(timer)
      asked.removeEventListener('say', say)
    }
  }, [])
  return (
    <p class={said.value === '' ? 'said none' : 'said'} role="status" aria-label="How things stand">
      {said.value}
    </p>
  )
}

function sentences(): string {
  const { state, banner, reason } = status.value
  const words: string[] = []
  if (banner) words.push(`${banner}.`)
  words.push(state === 'open' ? 'Connected.' : `No connection${reason ? `: ${reason}` : '.'}`)
  const row = focus.value ? rowOf(focus.value).value : undefined
  if (row) {
    const { symbol, last, percent = 0, digits, at } = row
    const way = percent > 0 ? 'up' : percent < 0 ? 'down' : 'unchanged'
    const by = percent === 0 ? '' : ` ${price(Math.abs(percent), 2)} %`
    const ago = at === undefined ? '' : `, ${age(now.value - at)} ago`
    words.push(
      last === undefined
        ? `${symbol}: no price yet.`
        : `${symbol} ${price(last, digits)}, ${way}${by}${ago}.`,
    )
    const book = ladder.value
    const [bid] = book?.bids[0] ?? []
    const [ask] = book?.asks[0] ?? []
    if (book?.unsynced !== undefined) words.push(`Its book is unsynced: ${book.unsynced}.`)
    else if (bid !== undefined && ask !== undefined) {
      words.push(`Bid ${price(bid, digits)}, asked ${price(ask, digits)}.`)
    }
  }
  const rows = watch.value.flatMap(symbol => rowOf(symbol).value ?? [])
  const odd = rows.filter(it => it.state !== 'live' && it.state !== 'loading')
  const up = rows.filter(it => (it.change ?? 0) > 0).length
  const down = rows.filter(it => (it.change ?? 0) < 0).length
  words.push(`Of ${rows.length} symbols ${up} are up, ${down} down.`)
  for (const { symbol, state: how } of odd.slice(0, 8)) words.push(`${symbol} is ${how}.`)
  return words.join(' ')
}
