import { effect } from '@preact/signals'
import { render } from 'preact'
import { App } from './app.tsx'
import { listenToKeys } from './keys.ts'
import { dress } from './settings.ts'
import { askFocus, focus, interval, start } from './state.ts'
import './style.css'

dress()
start()
effect(() => askFocus(focus.value, interval.value))
listenToKeys()
render(<App />, document.getElementById('app')!)
