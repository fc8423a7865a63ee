import { type Clock, sleep } from '../base/clock.ts'
import { asError } from '../base/errors.ts'
import type { HttpGet } from '../base/http.ts'
import { withoutSecret } from './ping.ts'

export type NotificationKind = 'signal' | 'fill' | 'refused' | 'error' | 'summary'

export interface Notification {
  readonly kind: NotificationKind
  /** The bot's name. */
  readonly bot: string
  readonly message: string
  /** Tape time, epoch ms. */
  readonly at: number
  /** The row of the diary it tells of. */
  readonly n?: number
  /** It may have been sent before the bot was killed. */
  readonly again?: boolean
}

export interface NotifierOptions {
  /** A Discord webhook, or any address that takes a JSON body by POST. */
  readonly url: string
  /** How the body is written. @default 'discord' for an address of Discord's, else 'json' */
  readonly format?: 'discord' | 'json'
  /** What the bot trades with, in words: `PAPER`, `PAPER, SIMULATED prices`. Stands before every message. */
  readonly nature: () => string
  /** Only these. @default all */
  readonly kinds?: readonly NotificationKind[]
  readonly http: HttpGet
  readonly clock: Clock
  /** Told what could not be sent. */
  readonly said: (line: string) => void
}

/** Waiting messages; the oldest are dropped, and counted. */
const MOST_WAITING = 1_000
/** Messages come in groups: so long after the first of a group it is sent, ms. */
const GROUP_MS = 1_000
/** Discord takes 2,000 characters: https://discord.com/developers/docs/resources/webhook#execute-webhook */
const MOST_CHARACTERS = 1_900
/** The same words again within this time say nothing new, ms. */
const SAME_MS = 60_000
const RETRY_MS = { first: 1_000, most: 60_000 } as const
/** Tries of one group. */
const MOST_TRIES = 6
const TIMEOUT_MS = 10_000
/** Answers after which nothing more is sent: the webhook is not there, or not ours. Discord blocks who goes on. */
const GONE: ReadonlySet<number> = new Set([401, 403, 404, 410])

/**
 * Tells people what a bot does, by a webhook. A worker of its own: what it is given is put into a bounded queue and the
 * bot goes on; it groups, leaves out what was just said, waits as long as a 429 asks for, and gives up in words.
 */
export class Notifier {
  readonly #options: NotifierOptions
  readonly #format: 'discord' | 'json'
  #waiting: Notification[] = []
  /** On its way just now. */
  #group: readonly Notification[] = []
  /** When a text was said last. */
  readonly #lately = new Map<string, number>()
  #dropped = 0
  #isClosing = false
  #isGone = false
  #work: Promise<void> | undefined
  readonly #stop = new AbortController()

  constructor(options: NotifierOptions) {
    this.#options = options
    const isDiscord = /^https:\/\/(?:\w+\.)?discord(?:app)?\.com\//.test(options.url)
    this.#format = options.format ?? (isDiscord ? 'discord' : 'json')
  }

  /** Never waits, never throws. */
  notify(notification: Notification): void {
    const { kinds } = this.#options
    if (this.#isClosing || (kinds && !kinds.includes(notification.kind))) return
    if (this.#wasSaid(notification)) return
    if (this.#isGone) {
      this.#dropped++
      return
    }
    this.#waiting.push(notification)
    if (this.#waiting.length > MOST_WAITING) {
      this.#waiting.shift()
      this.#dropped++
    }
    this.#work ??= this.#send().finally(() => {
      this.#work = undefined
    })
  }

  /** Number of the first row of the diary that is neither sent nor given up; `undefined` for none. */
  get firstUnsent(): number | undefined {
    return [...this.#group, ...this.#waiting].find(({ n }) => n !== undefined)?.n
  }

  /** Sends what waits, for so long at most. */
  async close(withinMs = 5_000): Promise<void> {
    this.#isClosing = true
    const timer = this.#options.clock.setTimeout(() => this.#stop.abort(), withinMs)
    await this.#work
    timer.cancel()
    const left = this.#waiting.length + this.#dropped
    if (left > 0) this.#options.said(`${left} notifications were not sent`)
  }

  #wasSaid({ bot, kind, message }: Notification): boolean {
    const now = this.#options.clock.now()
    const key = `${bot} ${kind} ${message}`
    const before = this.#lately.get(key)
    if (before !== undefined && now - before < SAME_MS) return true
    for (const [one, at] of this.#lately) {
      if (now - at < SAME_MS && this.#lately.size < MOST_WAITING) break
      this.#lately.delete(one)
    }
    this.#lately.delete(key)
    this.#lately.set(key, now)
    return false
  }

  async #send(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#stop
    while (this.#waiting.length > 0 && !signal.aborted) {
      if (this.#isGone) {
        this.#dropped += this.#waiting.length
        this.#waiting = []
        break
      }
      if (!this.#isClosing) await sleep(clock, GROUP_MS, signal).catch(() => {})
      const group = this.#nextGroup()
      this.#group = group
      if (!(await this.#deliver(group))) {
        if (signal.aborted) this.#waiting.unshift(...group)
        else this.#dropped += group.length
      }
      this.#group = []
    }
  }

  /** As many as one message takes. */
  #nextGroup(): Notification[] {
    const group: Notification[] = []
    let characters = this.#head.length
    while (this.#waiting.length > 0) {
      const [next] = this.#waiting as [Notification]
      characters += lineOf(next).length + 1
      if (group.length > 0 && characters > MOST_CHARACTERS) break
      group.push(next)
      this.#waiting.shift()
    }
    return group
  }

  get #head(): string {
    return `**${this.#options.nature()}**\n`
  }

  /** False when it was given up. */
  async #deliver(group: readonly Notification[]): Promise<boolean> {
    const { clock, said } = this.#options
    let waitMs: number = RETRY_MS.first
    for (let tries = 1; ; tries++) {
      const dropped = this.#dropped
      const answer = await this.#post(this.#bodyOf(group, dropped))
      if (answer.ok) {
        this.#dropped -= dropped
        return true
      }
      if (this.#stop.signal.aborted) return false
      if (answer.isGone) {
        this.#isGone = true
        said(`the webhook is not there any more (${answer.why}): nothing more is sent to it`)
        return false
      }
      if (!answer.again || tries === MOST_TRIES) {
        said(`${group.length} notifications could not be sent: ${answer.why}`)
        return false
      }
      await sleep(clock, answer.afterMs ?? waitMs, this.#stop.signal).catch(() => {})
      waitMs = Math.min(waitMs * 2, RETRY_MS.most)
    }
  }

  #bodyOf(group: readonly Notification[], dropped: number): string {
    const nature = this.#options.nature()
    const lost = dropped > 0 ? [`(${dropped} messages before were left out)`] : []
    if (this.#format === 'json') {
      return JSON.stringify({ nature, dropped, notifications: group })
    }
    const content = this.#head + [...lost, ...group.map(lineOf)].join('\n')
    // Nobody is to be called by what a strategy says.
    return JSON.stringify({ content: cut(content, 2_000), allowed_mentions: { parse: [] } })
  }

  async #post(body: string): Promise<Outcome> {
    const { url, http } = this.#options
    try {
      const { status, headers } = await http({
        ...{ url, body, headers: { 'content-type': 'application/json' }, maxBytes: 65_536 },
        signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      })
      if (status >= 200 && status < 300) return { ok: true }
      const seconds = Number(headers['retry-after'])
      const isGone = GONE.has(status)
      return {
        ...{ ok: false, why: `HTTP ${status}`, again: status === 429 || status >= 500, isGone },
        ...(Number.isFinite(seconds) && seconds >= 0 && { afterMs: seconds * 1_000 }),
      }
    } catch (thrown) {
      // An address of a webhook is as good as a password.
      return { ok: false, why: withoutSecret(asError(thrown).message, url), again: true }
    }
  }
}

type Outcome =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly why: string
      readonly again: boolean
      readonly isGone?: boolean
      readonly afterMs?: number
    }

/** Not through the middle of a character. */
function cut(text: string, most: number): string {
  if (text.length <= most) return text
  return `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

const lineOf = ({ bot, kind, message, at, again }: Notification) =>
  `\`${new Date(at).toISOString().slice(0, 19)}Z\` ${bot} · ${kind} · ${message}${again ? ' (sent again after a restart)' : ''}`
