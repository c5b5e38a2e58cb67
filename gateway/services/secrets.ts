import { toHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import type { Setting } from '@hypha/core/trust/directive.ts'
import { type BoxKeys, openSealed, type Sealed, seal } from '@hypha/core/trust/seal.ts'

const maxCached = 50_000

/**
 * Secrets rest sealed to the gateway's own key, and are sealed again to each node that needs them, also to one that joins later. A box for the same node and the same
 * secret is always the same bytes: otherwise every plan would seem to change what runs.
 */
export class Secrets {
  readonly #keys: BoxKeys
  readonly #crypto: Crypto
  readonly #cache = new Map<string, Setting>()

  constructor(keys: BoxKeys, crypto: Crypto) {
    this.#keys = keys
    this.#crypto = crypto
  }

  /** A secret as it rests. */
  keep(plain: string): Setting {
    return { kind: 'sealed', ...seal(toUtf8(plain), this.#keys.publicKey, this.#crypto) }
  }

  /** A secret as it goes to a node. Throws `setting-sealed-wrong` where the gateway's key is another one than when it was set. */
  forNode(kept: Sealed, nodeBoxKey: Uint8Array): Setting {
    const name = toHex(this.#crypto.sha256(join(nodeBoxKey, kept.nonce, kept.box)))
    const cached = this.#cache.get(name)
    if (cached !== undefined) return cached
    const plain = openSealed(kept, this.#keys.secretKey)
    if (plain === null) {
      throw new HyphaError('setting-sealed-wrong', "A secret can't be opened with the gateway's key", {
        mend: 'Set the secret again with `hypha config set --secret`.',
      })
    }
    const made: Setting = { kind: 'sealed', ...seal(plain, nodeBoxKey, this.#derived(nodeBoxKey, plain)) }
    if (this.#cache.size >= maxCached) this.#cache.clear()
    this.#cache.set(name, made)
    return made
  }

  /**
   * Bytes that depend on the gateway's secret key, the recipient and the secret itself in place of random ones: whoever lacks the key can't tell them from random, and two
   * different secrets never share a nonce.
   */
  #derived(recipient: Uint8Array, plain: Uint8Array): Pick<Crypto, 'random'> {
    const seed = this.#crypto.sha256(join(toUtf8('hypha secret for a node'), this.#keys.secretKey, recipient, plain))
    let counter = 0
    return { random: (count) => this.#crypto.sha256(join(seed, Uint8Array.of(counter++))).slice(0, count) }
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
