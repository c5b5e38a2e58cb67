import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { type Signer, seedSigner, signMany } from '@hypha/core/trust/cose.ts'
import { type RootMetadata, rootMetadata } from '@hypha/core/trust/root.ts'
import { checkRoot } from '@hypha/core/trust/shape.ts'
import { checkId } from '@hypha/core/wire/ids.ts'
import { type KeyRole, keyRoles, type Protection } from './key-box.ts'
import { createKeyFile } from './key-file.ts'

/** Nodes refuse new directives under root metadata that has expired, so it has to be renewed in time. */
const defaultRootDays = 5 * 365

export interface NewFleet {
  readonly fleet: string
  /** Where the three key files go: `root.key`, `release.key`, `gateway.key`. */
  readonly folder: string
  readonly protection: Readonly<Record<KeyRole, Protection>>
  readonly nowMs: number
  readonly rootDays?: number
}

export interface CreatedFleet {
  /** Signed root metadata, version 1. */
  readonly root: Uint8Array<ArrayBuffer>
  /** SHA-256 of `root`: what join URLs pin. */
  readonly rootDigest: Uint8Array<ArrayBuffer>
  readonly metadata: RootMetadata
  /** Paths of the key files. */
  readonly keyFiles: Readonly<Record<KeyRole, string>>
}

/** Makes the keys of a new fleet, one for each role, and the root metadata that says so. Throws `id-invalid`, `key-file-exists`, `passphrase-needed`. */
export async function createFleet(options: NewFleet): Promise<CreatedFleet> {
  const { folder, protection, nowMs, rootDays = defaultRootDays } = options
  const fleet = checkId('fleet', options.fleet)
  const keyFiles = {
    root: join(folder, 'root.key'),
    release: join(folder, 'release.key'),
    gateway: join(folder, 'gateway.key'),
  }
  const existing = Object.values(keyFiles).find((path) => existsSync(path))
  if (existing) throw new HyphaError('key-file-exists', `${existing} exists already`, { where: existing })

  const signers = new Map<KeyRole, Signer>()
  for (const role of keyRoles) {
    const { seed } = await createKeyFile(keyFiles[role], { fleet, role, protection: protection[role] })
    signers.set(role, seedSigner(seed, nodeCrypto))
  }
  const alone = (role: KeyRole) => ({ threshold: 1, keys: [signers.get(role)!.publicKey] })
  const metadata: RootMetadata = {
    fleet,
    version: 1,
    expiresMs: nowMs + rootDays * 86_400_000,
    root: alone('root'),
    release: alone('release'),
    gateway: alone('gateway'),
    authorities: null,
  }
  const root = signRootMetadata(metadata, [signers.get('root')!])
  return { root, rootDigest: nodeCrypto.sha256(root), metadata, keyFiles }
}

/**
 * Root metadata that follows `current`: renewed, with keys added, replaced or removed. The signers must meet the root thresholds of `current` and of the
 * new one; more signatures can be added with `addSignature`. Throws `root-unusable`.
 */
export function followRoot(
  current: RootMetadata,
  changes: Partial<Pick<RootMetadata, 'expiresMs' | 'authorities' | KeyRole>>,
  signers: readonly Signer[],
): Uint8Array<ArrayBuffer> {
  return signRootMetadata({ ...current, ...changes, version: current.version + 1 }, signers)
}

function signRootMetadata(metadata: RootMetadata, signers: readonly Signer[]): Uint8Array<ArrayBuffer> {
  checkRoot(metadata)
  return signMany(rootMetadata.encode(metadata), 'root', signers)
}
