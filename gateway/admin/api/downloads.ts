import { HyphaError } from '@hypha/core/errors.ts'
import { addressGroup } from '../../connections.ts'

export interface DownloadLimits {
  /** At once, in all and for one address. */
  readonly total: number
  readonly perAddress: number
  /** Requests of one address in a window. */
  readonly requests: number
  readonly windowMs: number
  /** Addresses that are remembered at once. */
  readonly addresses: number
}

export const defaultDownloadLimits: DownloadLimits = {
  total: 32,
  perAddress: 8,
  requests: 120,
  windowMs: 60_000,
  addresses: 10_000,
}

/** Anybody may download what devices install, but not so much of it at once that the fleet notices. */
export class Downloads {
  readonly #limits: DownloadLimits
  readonly #now: () => number
  readonly #seen = new Map<string, { since: number; requests: number }>()
  readonly #open = new Map<string, number>()
  #total = 0

  constructor(limits: DownloadLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  /** Counts a download until the returned function is called. Throws `install-busy`. */
  begin(address: string): () => void {
    const group = addressGroup(address)
    const { total, perAddress, requests, windowMs } = this.#limits
    const open = this.#open.get(group) ?? 0
    if (this.#total >= total) throw busy(`${total} downloads run at once`)
    if (open >= perAddress) throw busy(`${perAddress} downloads run to ${address} at once`)
    if (this.#count(group) > requests)
      throw busy(`${address} asked more than ${requests} times in ${windowMs / 1000} s`)
    this.#total++
    this.#open.set(group, open + 1)
    let ended = false
    return () => {
      if (ended) return
      ended = true
      this.#total--
      const left = this.#open.get(group)! - 1
      if (left > 0) this.#open.set(group, left)
      else this.#open.delete(group)
    }
  }

  #count(group: string): number {
    const now = this.#now()
    const before = this.#seen.get(group)
    const entry =
      before === undefined || now >= before.since + this.#limits.windowMs ? { since: now, requests: 0 } : before
    entry.requests++
    this.#seen.delete(group)
    // The oldest goes: a flood of addresses must not fill the memory.
    if (this.#seen.size >= this.#limits.addresses) this.#seen.delete(this.#seen.keys().next().value!)
    this.#seen.set(group, entry)
    return entry.requests
  }
}

const busy = (why: string) => new HyphaError('install-busy', `The download has to wait: ${why}`)
