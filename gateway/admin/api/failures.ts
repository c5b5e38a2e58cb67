import { HyphaError } from '@hypha/core/errors.ts'
import { addressGroup } from '../../connections.ts'

export interface FailureLimits {
  /** So many failures from one address within the window are answered; further ones are not even looked at. */
  readonly failures: number
  /** So many from all addresses together: after them only addresses that have lately given something right are heard. */
  readonly failuresInAll: number
  readonly windowMs: number
  /** Addresses that are remembered at once, of the wrong and of the right each. */
  readonly addresses: number
  /** How long an address counts as one that has given something right. */
  readonly goodMs: number
}

export const defaultFailureLimits: FailureLimits = {
  failures: 10,
  failuresInAll: 500,
  windowMs: 60_000,
  addresses: 10_000,
  goodMs: 86_400_000,
}

interface Count {
  readonly count: number
  readonly since: number
}

/**
 * Counts failed attempts by address, so that a token can't be guessed at the speed of the network; and over all addresses, so that many of them can't guess
 * side by side. A /64 of IPv6 is one address.
 */
export class Failures {
  readonly #limits: FailureLimits
  readonly #now: () => number
  readonly #seen = new Map<string, Count>()
  /** When an address was last right. */
  readonly #good = new Map<string, number>()
  #all: Count = { count: 0, since: Number.NEGATIVE_INFINITY }

  constructor(limits: FailureLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  /** Throws `too-many-attempts` where what the address asks is not to be looked at. */
  check(address: string): void {
    const group = addressGroup(address)
    const entry = this.#current(this.#seen.get(group))
    if (entry !== null && entry.count >= this.#limits.failures) {
      throw this.#refusal(entry, `${entry.count} wrong attempts came from ${group}`)
    }
    const all = this.#current(this.#all)
    if (all === null || all.count < this.#limits.failuresInAll || this.#isGood(group)) return
    throw this.#refusal(all, `${all.count} wrong attempts came from everywhere, and ${group} is not known yet`)
  }

  add(address: string): void {
    const group = addressGroup(address)
    const now = this.#now()
    const { count, since } = this.#current(this.#seen.get(group)) ?? { count: 0, since: now }
    remember(this.#seen, group, { count: count + 1, since }, this.#limits.addresses)
    const all = this.#current(this.#all) ?? { count: 0, since: now }
    this.#all = { ...all, count: all.count + 1 }
  }

  /** Something right came from the address. */
  succeeded(address: string): void {
    remember(this.#good, addressGroup(address), this.#now(), this.#limits.addresses)
  }

  #isGood(group: string): boolean {
    const at = this.#good.get(group)
    return at !== undefined && this.#now() < at + this.#limits.goodMs
  }

  #current(entry: Count | undefined): Count | null {
    return entry !== undefined && this.#now() < entry.since + this.#limits.windowMs ? entry : null
  }

  #refusal({ since }: Count, what: string): HyphaError {
    const seconds = Math.ceil((since + this.#limits.windowMs - this.#now()) / 1000)
    return new HyphaError('too-many-attempts', `${what}; wait ${seconds} seconds`)
  }
}

/** The oldest goes: a flood of addresses must not fill the memory. */
function remember<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.delete(key)
  if (map.size >= max) map.delete(map.keys().next().value!)
  map.set(key, value)
}
