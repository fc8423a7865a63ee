import { KEYS } from '../keys.ts'
import { Dialog } from './dialog.tsx'

export function Help() {
  return (
    <Dialog title="Keys">
      <h2>Keys</h2>
      <dl class="keys">
        {KEYS.map(([key, what]) => (
          <div>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="soft">
        A framed candle still forms. Shaded times have gaps. Change is since the close before where
        it is recorded, else since this day’s first price. A trade’s colour is its taker’s side
        where the venue says it, else its tick.
      </p>
    </Dialog>
  )
}
