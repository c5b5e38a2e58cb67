import { mappedLocals } from './limits.ts'

/** Where the locals of an edited body went: each is expected to have moved as far as the nearest one at or below it that was seen [D 5.4]. */
export class LocalsMap {
  readonly #seen = new Int32Array(mappedLocals)
  readonly #shift = new Int32Array(mappedLocals)
  #count = 0

  clear(): void {
    this.#count = 0
  }

  get(local: number): number {
    if (local < 0 || local >= mappedLocals) return local
    let at = this.#count - 1
    while (at >= 0 && this.#seen[at]! > local) at--
    return at < 0 ? local : local + this.#shift[at]!
  }

  learn(from: number, to: number): void {
    if (from < 0 || from >= mappedLocals) return
    let at = this.#count
    while (at > 0 && this.#seen[at - 1]! >= from) at--
    if (at === this.#count || this.#seen[at] !== from) {
      this.#seen.copyWithin(at + 1, at, this.#count)
      this.#shift.copyWithin(at + 1, at, this.#count)
      this.#seen[at] = from
      this.#count++
    }
    this.#shift[at] = to - from
  }
}
