import type { ToPage, ToWorker } from '../wire.ts'
import { Desk } from './desk.ts'
import { find } from './find.ts'

const desk = new Desk()
const say = (message: ToPage) => postMessage(message)

addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
  switch (data.type) {
    case 'open':
      desk.open(data.watch)
      break
    case 'watch':
      desk.watch(data.symbols)
      break
    case 'focus':
      desk.focus(data.symbol, data.interval)
      break
    case 'frame':
      say(desk.patch())
      break
    case 'sight':
      desk.see(data.symbols)
      break
    case 'hidden':
      desk.hide(data.isHidden)
      break
    case 'search':
      void find(data.text, data.ticket).then(say)
      break
    case 'inspect':
      void desk.health.inspect(data.source, data.after).then(say)
      break
    case 'replay':
      void desk.health.steer(data.how)
      break
    case 'key':
      void desk.key(data.key)
      break
  }
})
