import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { keyId, type Signer, seedSigner } from '@hypha/core/trust/cose.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { type KeyInfo, openKeyFile, readKeyInfo } from './key-file.ts'

/** The key that signs directives: the one among `keys/gateway*.key` that root metadata names. */
export class GatewayKey {
  readonly #folder: string
  #held: Signer | HyphaError = new HyphaError('internal', 'The gateway asked for its key before it had root metadata')

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Throws `gateway-key-missing` while there is no file of a key that root names. */
  get signer(): Signer {
    if (this.#held instanceof HyphaError) throw this.#held
    return this.#held
  }

  /** What is wrong with it; null where it signs. */
  get problem(): HyphaError | null {
    return this.#held instanceof HyphaError ? this.#held : null
  }

  /** Looks for the key that this root metadata names, among the files that are there by now. Answers what is wrong; null where one is found. */
  async follow(root: RootMetadata): Promise<HyphaError | null> {
    this.#held = await this.#find(root).catch((thrown) => asHyphaError(thrown))
    return this.problem
  }

  async #find({ gateway, version }: RootMetadata): Promise<Signer> {
    const { keys, problems } = gatewayKeysIn(this.#folder)
    const fits = keys.find(({ publicKey }) => gateway.keys.some((key) => bytesEqual(key, publicKey)))
    if (fits !== undefined) return seedSigner((await openKeyFile(fits.path, null)).seed, nodeCrypto)
    const named = gateway.keys.map((key) => toHex(keyId(key, nodeCrypto))).join(', ')
    const there = [
      ...keys.map(({ path, publicKey }) => `${path} has ${toHex(keyId(publicKey, nodeCrypto))}`),
      ...problems,
    ]
    throw new HyphaError(
      'gateway-key-missing',
      `Root metadata version ${version} names the gateway key ${named}, and no file gateway*.key holds it (${there.join('; ') || 'there is none'})`,
      { where: this.#folder },
    )
  }
}

/** `gateway.key` first, then the others by their names; and what is wrong with files that are none. */
function gatewayKeysIn(folder: string): { readonly keys: readonly KeyInfo[]; readonly problems: readonly string[] } {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /^gateway.*\.key$/.test(name)) : []
  names.sort((a, b) => Number(b === 'gateway.key') - Number(a === 'gateway.key') || (a < b ? -1 : 1))
  const keys: KeyInfo[] = []
  const problems: string[] = []
  for (const name of names) {
    try {
      keys.push(readKeyInfo(join(folder, name)))
    } catch (thrown) {
      problems.push(asHyphaError(thrown).message)
    }
  }
  return { keys, problems }
}
