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
  /** What ends each download that runs, the newest last. */
  readonly #open = new Map<string, Set<() => void>>()
  #total = 0

  constructor(limits: DownloadLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  /**
   * Counts a download until the returned function is called. Where all places are taken, the newest of the address that has most of them is ended by its `giveWay`: who reads a byte a
   * minute keeps nobody else out. Throws `install-busy`.
   */
  begin(address: string, giveWay: () => void): () => void {
    const group = addressGroup(address)
    const { total, perAddress, requests, windowMs } = this.#limits
    const open = this.#open.get(group) ?? new Set<() => void>()
    if (open.size >= perAddress) throw busy(`${perAddress} downloads run to ${address} at once`)
    if (this.#count(group) > requests)
      throw busy(`${address} asked more than ${requests} times in ${windowMs / 1000} s`)
    if (this.#total >= total && !this.#makeRoom(open.size)) throw busy(`${total} downloads run at once`)
    const end = () => {
      if (!open.delete(stop)) return
      this.#total--
      if (open.size === 0) this.#open.delete(group)
    }
    const stop = () => {
      end()
      giveWay()
    }
    this.#total++
    this.#open.set(group, open.add(stop))
    return end
  }

  /** False where no address has more than the newcomer would then have. */
  #makeRoom(newcomer: number): boolean {
    const longest = [...this.#open.values()].reduce((most, each) => (each.size > most.size ? each : most))
    if (longest.size <= newcomer + 1) return false
    ;[...longest].at(-1)!()
    return true
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
