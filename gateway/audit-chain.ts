import { createHash } from 'node:crypto'
import { encodeCbor } from '@hypha/core/bytes/cbor.ts'
import { HyphaError } from '@hypha/core/errors.ts'

/** An entry of a fleet's audit log with its place in the chain. */
export interface ChainedEntry {
  /** 1, 2, 3 … without a gap. */
  readonly number: number
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  /** JSON, byte for byte as it was hashed. */
  readonly details: string
  /** SHA-256 over the hash of the entry before and this entry, lower-case hex. */
  readonly hash: string
}

/** The end of a chain. Kept elsewhere, it proves everything up to it. */
export interface ChainHead {
  readonly number: number
  readonly hash: string
}

/** What comes before the first entry. */
export const emptyHead: ChainHead = { number: 0, hash: '00'.repeat(32) }

/** SHA-256 over the 32 bytes of the hash before and the deterministic CBOR of `[fleet, number, at, actor, action, subject, details]`. */
export function chainHash(before: string, fleet: string, entry: Omit<ChainedEntry, 'hash'>): string {
  const { number, at, actor, action, subject, details } = entry
  return createHash('sha256')
    .update(Buffer.from(before, 'hex'))
    .update(encodeCbor([fleet, number, at, actor, action, subject, details]))
    .digest('hex')
}

/** "1204:9f86…": how a head is written down. */
export const formatHead = ({ number, hash }: ChainHead): string => `${number}:${hash}`

/** Throws `argument-invalid`. */
export function parseHead(text: string): ChainHead {
  const [, number, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text.trim()) ?? []
  if (number === undefined || hash === undefined) {
    throw new HyphaError('argument-invalid', `"${text}" is no head of the audit log`, {
      mend: 'Give it as `hypha audit head` printed it: NUMBER:HASH.',
    })
  }
  return { number: Number(number), hash: hash.toLowerCase() }
}

/** Walks a chain entry by entry, from its beginning. */
export class ChainWalk {
  readonly #fleet: string
  readonly #known: ChainHead | null
  #head = emptyHead

  /** `known`: a head that was kept elsewhere; the chain must go through it. */
  constructor(fleet: string, known: ChainHead | null = null) {
    this.#fleet = fleet
    this.#known = known
  }

  get head(): ChainHead {
    return this.#head
  }

  /** Throws `audit-broken` where the entry doesn't follow the one before, or isn't what it was. */
  add(entry: ChainedEntry): void {
    const { number, hash } = this.#head
    const expected = number + 1
    if (entry.number > expected) throw broken(expected, `it is missing, and entry ${entry.number} follows`)
    if (entry.number < expected) throw broken(entry.number, `it stands after entry ${number}`)
    if (chainHash(hash, this.#fleet, entry) !== entry.hash) {
      throw broken(entry.number, 'its hash does not match: it was changed, put in, or put in another place')
    }
    this.#head = { number: entry.number, hash: entry.hash }
    const known = this.#known
    if (known !== null && known.number === entry.number && known.hash !== entry.hash) {
      throw broken(entry.number, `its hash is not the one that was kept: the log was written anew up to here`)
    }
  }

  /** To be called after the last entry. Throws `audit-broken` where the chain ends before the head that was kept. */
  end(): ChainHead {
    const { number } = this.#head
    if (this.#known !== null && this.#known.number > number) {
      throw broken(number + 1, `the log ends before it, and had ${this.#known.number} entries once`)
    }
    return this.#head
  }
}

const broken = (number: number, why: string) =>
  new HyphaError('audit-broken', `The audit log is broken at entry ${number}: ${why}`, { where: `entry ${number}` })
