/** The gravest first; farms by their names come behind. */
const GRAVEST = ['upstream', 'elsewhere']

/**
 * What keeps data away although the connection stands: TWS has lost IBKR, a farm is broken, the account is logged in
 * elsewhere, a subscription is gone and may not be asked for yet. One sentence is declared at a time, of the gravest.
 */
export class Outages {
  readonly #reasons = new Map<string, string>()
  readonly #declare: (reason: string | undefined) => void
  #declared: string | undefined

  /** `declare` is told whenever the sentence changes; without one there is nothing any more. */
  constructor(declare: (reason: string | undefined) => void) {
    this.#declare = declare
  }

  has(what: string): boolean {
    return this.#reasons.has(what)
  }

  /** @returns false when it was known */
  begin(what: string, reason: string): boolean {
    const news = !this.#reasons.has(what)
    this.#reasons.set(what, reason)
    this.#say()
    return news
  }

  /** @returns false when there was no such thing */
  end(what: string): boolean {
    const known = this.#reasons.delete(what)
    this.#say()
    return known
  }

  #say(): void {
    const first = GRAVEST.find(what => this.#reasons.has(what))
    const now = first ? this.#reasons.get(first) : [...this.#reasons.values()][0]
    if (now === this.#declared) return
    this.#declared = now
    this.#declare(now)
  }
}
