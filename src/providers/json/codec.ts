import type { ConnectionContext, Control, Decoder, Inbox } from '../../feed/description.ts'
import { KIND_BIT } from '../../feed/provider.ts'
import { Flag } from '../../market/events.ts'
import type { Topic } from '../../market/topics.ts'
import type { JsonConfig, Rule } from './config.ts'
import { eventOf, pathOf, symbolOf, Unfit } from './fields.ts'
import { at, fits, parseExact, type Reading, reading } from './parse.ts'
import type { JsonSymbols } from './symbols.ts'
import { render } from './template.ts'

type Context = Pick<ConnectionContext, 'source' | 'interest'>

/** Without a confirmation of its own, whatever the venue says shows that it has heard us. */
const CONFIRMED: Control = { type: 'confirmed' }

/** Reads a vendor's frames by its configuration: each message, or each of a list of them. */
export class JsonDecoder implements Decoder {
  readonly #config: JsonConfig
  readonly #symbols: JsonSymbols
  readonly #context: Context
  readonly #flags: number
  /** Messages that are no JSON but known: `pong`. */
  readonly #texts: ReadonlySet<string>
  /** A list is one message, because a rule looks into it by place. */
  readonly #takesLists: boolean

  constructor(config: JsonConfig, symbols: JsonSymbols, context: Context) {
    this.#config = config
    this.#symbols = symbols
    this.#context = context
    this.#flags = config.nature === 'delayed' ? Flag.delayed : 0
    const { ignore, replies, messages } = config
    const conditions = [...ignore, ...replies.map(({ when }) => when)]
    this.#texts = new Set(
      conditions.flatMap(when => (typeof when['.'] === 'string' ? when['.'] : [])),
    )
    const paths = messages.flatMap(({ when, each = '' }) => [...Object.keys(when), each])
    this.#takesLists = paths.some(path => /^(\d+(\.|$)|\.$)/.test(path))
  }

  decode(frame: Uint8Array, _binary: boolean, receivedAt: number, inbox: Inbox): void {
    const text = Buffer.from(frame.buffer, frame.byteOffset, frame.length).toString()
    let parsed: unknown
    try {
      parsed = this.#texts.has(text) ? text : parseExact(text)
    } catch (thrown) {
      inbox.malformed((thrown as Error).message)
      return
    }
    for (const message of Array.isArray(parsed) && !this.#takesLists ? parsed : [parsed]) {
      this.#message(message, receivedAt, inbox)
    }
  }

  #message(message: unknown, receivedAt: number, inbox: Inbox): void {
    const read = reading(message)
    if (this.#control(message, read, inbox)) return
    if (!this.#config.ack) inbox.control(CONFIRMED)
    const rules = this.#config.messages.filter(({ when }) => fits(read, when))
    if (rules.length === 0) inbox.unknown(nameOf(message))
    for (const [i, rule] of rules.entries()) {
      // The same thing read by two rules would be two events.
      const first = rules.findIndex(other => isSame(other, rule))
      if (first === i) this.#records(rule, message, receivedAt, inbox)
    }
  }

  #records(rule: Rule, message: unknown, receivedAt: number, inbox: Inbox): void {
    const { source, interest } = this.#context
    const list = rule.each === undefined ? [message] : at(message, rule.each)
    if (!Array.isArray(list)) {
      inbox.malformed(`${rule.kind}: not a list at ${rule.each}`)
      return
    }
    const symbol = (text: string) => this.#symbols.canonical(text)
    const context = { source, flags: this.#flags, receivedAt, symbol }
    for (const record of list) {
      const read = rule.each === undefined ? reading(record) : reading(record, message)
      try {
        const name = symbolOf(read, rule, context)
        const mask = interest.mask(name)
        if (mask & KIND_BIT[rule.kind]) inbox.event(eventOf(read, rule, name, context))
        // A name that is read wrongly, or one the venue sends unasked: silence would hide either.
        else if (mask === 0) inbox.unknown(`${rule.kind} of a symbol nobody asked for`)
      } catch (thrown) {
        if (!(thrown instanceof Unfit)) throw thrown
        inbox.malformed(`${rule.kind}: ${thrown.message}`)
      }
    }
  }

  /** Whether a message is about the connection. */
  #control(message: unknown, read: Reading, inbox: Inbox): boolean {
    const { welcome, ready, ack, errors, replies, ignore } = this.#config
    if (ignore.some(when => fits(read, when))) return true
    const reply = replies.find(({ when }) => fits(read, when))
    if (reply) {
      const text = render(reply.message, { symbols: [], id: 0 })
      inbox.control({
        type: 'reply',
        frame: typeof text === 'string' ? text : JSON.stringify(text),
      })
      return true
    }
    const error = errors.find(({ when }) => fits(read, when))
    if (error) {
      const code = error.code === undefined ? undefined : at(message, error.code)
      const said = error.message === undefined ? undefined : at(message, error.message)
      inbox.control({
        ...{ type: 'error', code: typeof code === 'number' ? code : undefined, name: error.means },
        message: typeof said === 'string' ? said : JSON.stringify(message).slice(0, 200),
        ...this.#concerned(message, error),
      })
      return true
    }
    if (welcome && fits(read, welcome.when)) {
      inbox.control({ type: 'welcome' })
      return true
    }
    if (ready && fits(read, ready.when)) {
      inbox.control({ type: 'ready' })
      return true
    }
    if (!ack || !fits(read, ack.when)) return false
    inbox.control({ type: 'confirmed', ...this.#concerned(message, ack) })
    return true
  }

  /** What an answer is about, as far as it says. */
  #concerned(
    message: unknown,
    paths: { readonly symbols?: string | undefined; readonly id?: string | undefined },
  ): Pick<Control & { type: 'confirmed' }, 'id' | 'covers'> {
    if (paths.id !== undefined) {
      const id = Number(at(message, paths.id))
      if (Number.isInteger(id)) return { id }
    }
    if (paths.symbols === undefined) return {}
    const said = at(message, paths.symbols) ?? []
    const list = Array.isArray(said) ? said : String(said).split(',')
    // Where it names none this time, it answers a request like any other.
    if (list.length === 0) return {}
    const names = new Set(list.map(name => this.#symbols.canonical(String(name).trim())))
    return { covers: (topic: Topic) => names.has(topic.symbol) }
  }
}

/** Whether two rules look for the same in a message: the first that fits counts. */
const isSame = (a: Rule, b: Rule) =>
  a.kind === b.kind &&
  a.each === b.each &&
  a.interval === b.interval &&
  pathOf(a.symbol) === pathOf(b.symbol)

/** What to call a message nobody knows. */
function nameOf(message: unknown): string {
  for (const key of ['type', 'event', 'channel', 'action', 'op', 'e', 'T']) {
    const name = at(message, key)
    if (typeof name === 'string') return `${key} ${name}`.slice(0, 50)
  }
  return typeof message === 'object' && message !== null
    ? Object.keys(message).join(', ').slice(0, 50)
    : typeof message
}
