import { bytesEqual, concatBytes, toHex } from '@hypha/core/bytes/text.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type CheckpointPiece, checkpointPiece, maxPieceBytes } from '@hypha/core/wire/messages/checkpoint.ts'
import { Buckets } from '../broker/bucket.ts'

export interface AssembleLimits {
  /** Of all checkpoints that have begun to come. */
  readonly maxBytes: number
  /** Whoever has begun one and not gone on for so long makes room for others. */
  readonly idleMs: number
  /** Of one node. */
  readonly bytesPerSecond: number
  readonly burstBytes: number
}

const defaultLimits: AssembleLimits = {
  maxBytes: 64 * 1024 * 1024,
  idleMs: 30_000,
  bytesPerSecond: 512 * 1024,
  burstBytes: 32 * 1024 * 1024,
}

interface Begun {
  readonly digest: Uint8Array
  readonly size: number
  readonly pieces: Uint8Array[]
  bytes: number
  at: number
}

/**
 * Puts together the pieces in which nodes send checkpoints, one at a time from each. One whose pieces don't follow on one another, or that finds no room, is begun anew by its node, which sends again
 * what isn't acknowledged. Memory is spent only on bytes that have come.
 */
export class Assembly {
  readonly #limits: AssembleLimits
  readonly #sha256: Crypto['sha256']
  readonly #now: () => number
  readonly #begun = new Map<string, Begun>()
  readonly #allowance: Buckets
  #bytes = 0

  constructor(sha256: Crypto['sha256'], now: () => number, limits: Partial<AssembleLimits> = {}) {
    this.#limits = { ...defaultLimits, ...limits }
    this.#sha256 = sha256
    this.#now = now
    this.#allowance = new Buckets({ perSecond: this.#limits.bytesPerSecond, burst: this.#limits.burstBytes })
  }

  /** The whole checkpoint and its digest, once its last piece has come; else null. Throws `message-malformed`. */
  add(node: string, message: Uint8Array): { readonly digest: Uint8Array; readonly whole: Uint8Array } | null {
    const now = this.#now()
    const piece = checkpointPiece.decode(message)
    if (!this.#allowance.of(node, now).take(piece.bytes.length, now)) return null
    const begun = this.#begunBy(node, piece, now)
    if (begun === null) return null
    begun.pieces.push(Uint8Array.from(piece.bytes))
    begun.bytes += piece.bytes.length
    begun.at = now
    this.#bytes += piece.bytes.length
    if (begun.bytes < begun.size) return null
    this.forget(node)
    const whole = concatBytes(begun.pieces)
    return begun.bytes === begun.size && bytesEqual(this.#sha256(whole), begun.digest)
      ? { digest: begun.digest, whole }
      : null
  }

  /** What a node has begun is given up. */
  forget(node: string): void {
    this.#bytes -= this.#begun.get(node)?.bytes ?? 0
    this.#begun.delete(node)
  }

  /** What a piece goes on; null for one that follows on nothing, or finds no room. */
  #begunBy(node: string, { digest, size, offset, bytes }: CheckpointPiece, now: number): Begun | null {
    const before = this.#begun.get(node)
    if (
      before &&
      toHex(before.digest) === toHex(digest) &&
      before.size === size &&
      before.bytes === offset &&
      offset > 0
    ) {
      return before
    }
    this.forget(node)
    // An empty or a short piece in the middle would let a node spend a packet on a byte.
    if (offset !== 0 || (bytes.length < size && bytes.length !== maxPieceBytes)) return null
    this.#makeRoom(now)
    if (this.#bytes + size > this.#limits.maxBytes) return null
    const begun: Begun = { digest: Uint8Array.from(digest), size, pieces: [], bytes: 0, at: now }
    this.#begun.set(node, begun)
    return begun
  }

  #makeRoom(now: number): void {
    for (const [node, { at }] of this.#begun) if (now - at > this.#limits.idleMs) this.forget(node)
  }
}
