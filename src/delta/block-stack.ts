/** Open blocks of an old body that is being edited, and where each stands among those of the new one [D 5.3]. */
export class BlockStack {
  /** For each open block of the old body, how many are around it in the new one; -1 for one that isn't there. */
  #heights = new Int32Array(64)
  #count = 1
  /** Blocks that are open in the new body; -1 behind its end. */
  height = 0

  clear(): void {
    this.#count = 1
    this.#heights[0] = 0
    this.height = 0
  }

  copyFrom(other: BlockStack): void {
    if (this.#heights.length < other.#heights.length) this.#heights = new Int32Array(other.#heights.length)
    this.#heights.set(other.#heights.subarray(0, other.#count))
    this.#count = other.#count
    this.height = other.height
  }

  /** A block that both bodies open. */
  open(): void {
    this.height++
    this.#push(this.height)
  }

  /** The end of a block of both. */
  close(): void {
    this.height--
    if (this.#count > 0) this.#count--
  }

  /** A block that only the old body opens, or only it closes. */
  openOld(): void {
    this.#push(-1)
  }

  closeOld(): void {
    if (this.#count > 0) this.#count--
  }

  /** A label of the old body in the new one. */
  label(value: number): number {
    const at = this.#count - 1 - value
    const height = at >= 0 && value >= 0 ? this.#heights[at]! : -1
    return height >= 0 ? Math.max(0, this.height - height) : value
  }

  #push(height: number): void {
    if (this.#count === this.#heights.length) {
      const grown = new Int32Array(this.#count * 2)
      grown.set(this.#heights)
      this.#heights = grown
    }
    this.#heights[this.#count++] = height
  }
}
