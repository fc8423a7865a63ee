// 02: how do you know that a silent connection is still alive? You ping it and count the seconds until the pong.
//
//   node examples/02-echo-heartbeat.mjs          takes about a minute
//   node examples/02-echo-heartbeat.mjs --fast   the same, a hundred times faster
//
// A server on this machine sends back what it hears. After a while it goes mute: the connection stays open, but
// nothing answers any more. That is how connections die in practice, and only the heartbeat notices.
//
// It runs without a key. tickwire's feeds do all this for you, on simulated and real venues alike.
import { WebSocket, WebSocketServer } from 'ws'

const PING_EVERY_SECONDS = 10
const HEARTBEAT_TIMEOUT_SECONDS = 30
const SERVER_GOES_MUTE_AFTER_SECONDS = 25

const speed = process.argv.includes('--fast') ? 100 : 1
const startedAt = Date.now()
const say = text => {
  const seconds = Math.round(((Date.now() - startedAt) / 1000) * speed)
  console.log(`${String(seconds).padStart(3)} s  ${text}`)
}
const after = (seconds, fn) => setTimeout(fn, (seconds * 1000) / speed)

// The echo server.
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false })
let mute = false
server.on('connection', socket => {
  socket.on('message', data => {
    if (!mute) socket.send(`echo: ${data}`)
  })
  socket.on('ping', () => {
    if (!mute) socket.pong()
  })
})
await new Promise(resolve => server.once('listening', resolve))
const muting = after(SERVER_GOES_MUTE_AFTER_SECONDS, () => {
  mute = true
})

// The client.
const socket = new WebSocket(`ws://127.0.0.1:${server.address().port}`)
let pinging
let heartbeat

function alive() {
  clearTimeout(heartbeat)
  heartbeat = after(HEARTBEAT_TIMEOUT_SECONDS, () => {
    say(`nothing heard for ${HEARTBEAT_TIMEOUT_SECONDS} s: the connection is dead, closing it`)
    socket.terminate()
  })
}

socket.on('open', () => {
  say(
    `connected; ping every ${PING_EVERY_SECONDS} s, heartbeat timeout ${HEARTBEAT_TIMEOUT_SECONDS} s`,
  )
  alive()
  socket.send('hello')
  pinging = setInterval(
    () => {
      say('ping')
      socket.ping()
    },
    (PING_EVERY_SECONDS * 1000) / speed,
  )
})
socket.on('message', data => {
  say(`received "${data}"`)
  alive()
})
socket.on('pong', () => {
  say('pong')
  alive()
})
socket.on('close', () => {
  say('closed; a real client would now connect again')
  stop()
})

function stop() {
  clearInterval(pinging)
  clearTimeout(heartbeat)
  clearTimeout(muting)
  socket.terminate()
  server.close()
}
process.once('SIGINT', stop) // Ctrl-C
