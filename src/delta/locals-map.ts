import { mappedLocals } from './limits.ts'

const mostTrust = 3

/** Where the locals of an edited body went: each is expected where it went last, or to have moved as far as the nearest one below it that was seen [D 5.4]. */
export class LocalsMap {
  /** Those that were seen, in order. */
  readonly #seen = new Int32Array(mappedLocals)
  #count = 0
  /** Of each that was seen, how far it moved, and how often at a stretch. */
  readonly #shift = new Int32Array(mappedLocals)
  readonly #trust = new Uint8Array(mappedLocals)

  clear(): void {
    this.#count = 0
    this.#trust.fill(0)
  }

  get(local: number): number {
    if (local < 0 || local >= mappedLocals) return local
    if (this.#trust[local]! > 0) return local + this.#shift[local]!
    const seen = this.#seen
    let at = this.#count - 1
    while (at >= 0 && seen[at]! > local) at--
    return at < 0 ? local : local + this.#shift[seen[at]!]!
  }

  /** 0 for one that wasn't seen, then up to 3. */
  trust(local: number): number {
    return local < 0 || local >= mappedLocals ? 0 : this.#trust[local]!
  }

  /** One that went where it was expected. */
  confirm(local: number): void {
    if (local < 0 || local >= mappedLocals) return
    const trust = this.#trust[local]!
    if (trust === 0) this.learn(local, this.get(local))
    else if (trust < mostTrust) this.#trust[local] = trust + 1
  }

  /** One that went elsewhere. */
  learn(from: number, to: number): void {
    if (from < 0 || from >= mappedLocals) return
    if (this.#trust[from] === 0) {
      const seen = this.#seen
      let at = this.#count
      while (at > 0 && seen[at - 1]! > from) at--
      seen.copyWithin(at + 1, at, this.#count)
      seen[at] = from
      this.#count++
    }
    this.#shift[from] = to - from
    this.#trust[from] = 1
  }
}
