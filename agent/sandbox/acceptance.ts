import { toHex } from '@hypha/core/bytes/text.ts'
import type { InputId } from '../turns.ts'

/**
 * Which inputs one instance has taken, by their source. Numbers of a source rise, and what is handled is known by the highest number alone: so where one is turned away for want of room,
 * those after it are too, until it has come again.
 */
export class Acceptance {
  /** The highest number that was taken. */
  readonly #taken = new Map<string, number>()
  /** The first that was turned away, and the highest that was since it was last offered. */
  readonly #refused = new Map<string, { readonly number: number; highest: number }>()

  isTaken({ source, number }: InputId): boolean {
    return number <= (this.#taken.get(toHex(source)) ?? -1)
  }

  /** Whether one before it must come first. Where they come anew without that one, it isn't waited for any longer. */
  mustWait({ source, number }: InputId): boolean {
    const refused = this.#refused.get(toHex(source))
    if (refused === undefined || number <= refused.number) return false
    if (number <= refused.highest) return false
    refused.highest = number
    return true
  }

  take({ source, number }: InputId): void {
    const name = toHex(source)
    this.#taken.set(name, Math.max(number, this.#taken.get(name) ?? -1))
    const refused = this.#refused.get(name)
    if (refused !== undefined && number >= refused.number) this.#refused.delete(name)
  }

  refuse({ source, number }: InputId): void {
    const name = toHex(source)
    const before = this.#refused.get(name)
    const first = before === undefined || number < before.number ? number : before.number
    this.#refused.set(name, { number: first, highest: number })
  }

  /** Goes on from where another one is. */
  follow(other: Acceptance): void {
    for (const [name, number] of other.#taken) this.#taken.set(name, Math.max(number, this.#taken.get(name) ?? -1))
    for (const [name, refused] of other.#refused) this.#refused.set(name, { ...refused })
  }

  clear(): void {
    this.#taken.clear()
    this.#refused.clear()
  }
}
