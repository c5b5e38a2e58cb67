import { existsSync, linkSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { asHyphaError, type HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { RootMetadata } from '@hypha/core/trust/root.ts'
import { type KeyRole, keyRoles, type Protection } from './key-box.ts'
import { createKeyFile, type KeyInfo, type OpenKey, readKeyInfo } from './key-file.ts'
import { holds, idOf } from './root-draft.ts'

// The key files of a home: `ROLE.key` is the one in use, `ROLE-ID.key` those before it and those to come. None is ever deleted.

export const usedKeyFile = (folder: string, role: KeyRole): string => join(folder, `${role}.key`)

/** Every key file of a folder, those in use first; and what is wrong with files that should be some. */
export function keyFilesIn(folder: string): {
  readonly keys: readonly KeyInfo[]
  readonly problems: readonly HyphaError[]
} {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.key')) : []
  const order = (name: string) => keyRoles.findIndex((role) => name === `${role}.key`) + 1 || keyRoles.length + 1
  names.sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1))
  const keys: KeyInfo[] = []
  const problems: HyphaError[] = []
  for (const name of names) {
    try {
      keys.push(readKeyInfo(join(folder, name)))
    } catch (thrown) {
      problems.push(asHyphaError(thrown))
    }
  }
  return { keys, problems }
}

export interface NewKeyFile {
  readonly fleet: string
  readonly role: KeyRole
  readonly protection: Protection
  /** Where it goes; else into `folder`, under the name of the role where that is free. */
  readonly out: string | undefined
  readonly folder: string
}

/** Makes a key. Throws what `createKeyFile` throws. */
export function makeKeyFile({ fleet, role, protection, out, folder }: NewKeyFile): Promise<OpenKey> {
  const seed = nodeCrypto.random(32)
  const used = usedKeyFile(folder, role)
  const own = existsSync(used) ? join(folder, `${role}-${idOf(nodeCrypto.publicKey(seed))}.key`) : used
  return createKeyFile(out ?? own, { fleet, role, protection, seed })
}

/** A key file that has got another name. */
export interface Moved {
  readonly role: KeyRole
  readonly from: string
  readonly to: string
}

/**
 * Gives the name of each role to the file of a key that root metadata names, where the one that has it is named no more, so that push and gateway go on working. The file
 * that had the name is kept beside it.
 */
export function settleNames(folder: string, root: RootMetadata): Moved[] {
  const { keys } = keyFilesIn(folder)
  const moved: Moved[] = []
  for (const role of keyRoles) {
    const used = usedKeyFile(folder, role)
    const ofRole = keys.filter((key) => key.role === role && key.fleet === root.fleet)
    const holder = ofRole.find(({ path }) => path === used)
    if (existsSync(used) && (holder === undefined || holds(root[role], holder.publicKey))) continue
    const next = ofRole.find((key) => key !== holder && holds(root[role], key.publicKey))
    if (next === undefined) continue
    if (holder !== undefined) {
      const kept = join(folder, `${role}-${idOf(holder.publicKey)}.key`)
      // A second name first: at no time is there a moment without a file of the key.
      if (!existsSync(kept)) linkSync(used, kept)
      moved.push({ role, from: used, to: kept })
    }
    renameSync(next.path, used)
    moved.push({ role, from: next.path, to: used })
  }
  return moved
}
