/**
 * Values by their key, in the order in which they came. A map that has one alone as a rule, and of which there are tens of thousands: that one needs no map.
 */
export class KeyedList<V extends { readonly key: string }> {
  #only: V | null = null
  #map: Map<string, V> | null = null

  get size(): number {
    return this.#map?.size ?? (this.#only === null ? 0 : 1)
  }

  /** The oldest, if that is all there is. */
  get only(): V | null {
    return this.#only
  }

  get(key: string): V | undefined {
    if (this.#map !== null) return this.#map.get(key)
    return this.#only?.key === key ? this.#only : undefined
  }

  set(value: V): void {
    if (this.#map === null && (this.#only === null || this.#only.key === value.key)) {
      this.#only = value
      return
    }
    this.#map ??= new Map([[this.#only!.key, this.#only!]])
    this.#map.set(value.key, value)
    this.#only = null
  }

  delete(key: string): void {
    if (this.#only?.key === key) this.#only = null
    this.#map?.delete(key)
    if (this.#map?.size === 0) this.#map = null
  }

  values(): Iterable<V> {
    return this.#map?.values() ?? (this.#only === null ? [] : [this.#only])
  }
}
