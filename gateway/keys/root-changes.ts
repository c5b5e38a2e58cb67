import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Role, RootMetadata } from '@hypha/core/trust/root.ts'
import type { KeyRole } from './key-box.ts'
import { holds, idOf, type RootChanges } from './root-draft.ts'

// What may be changed about a role's keys. Whether the outcome makes sense is judged by `checkRoot`.

/** One key in place of another; the threshold stays. Throws `argument-invalid`. */
export function replaceKey(root: RootMetadata, name: KeyRole, old: Uint8Array, key: Uint8Array): RootChanges {
  const role = root[name]
  checkNamed(root, name, old)
  checkNew(root, name, key)
  return { [name]: { ...role, keys: role.keys.map((each) => (bytesEqual(each, old) ? key : each)) } }
}

/** One key more. Throws `argument-invalid`. */
export function addKey(root: RootMetadata, name: KeyRole, key: Uint8Array, threshold?: number): RootChanges {
  const role = root[name]
  checkNew(root, name, key)
  return { [name]: checked(name, { threshold: threshold ?? role.threshold, keys: [...role.keys, key] }) }
}

/** One key less. Throws `argument-invalid` where too few would be left. */
export function revokeKey(root: RootMetadata, name: KeyRole, key: Uint8Array, threshold?: number): RootChanges {
  const role = root[name]
  checkNamed(root, name, key)
  const keys = role.keys.filter((each) => !bytesEqual(each, key))
  return { [name]: checked(name, { threshold: threshold ?? role.threshold, keys }) }
}

function checked(name: KeyRole, role: Role): Role {
  if (role.keys.length >= role.threshold) return role
  const mend =
    role.keys.length === 0
      ? `Replace it instead: hypha key rotate ${name}.`
      : `Lower the threshold (--threshold ${role.keys.length}), or replace the key: hypha key rotate ${name}.`
  const text = `${role.threshold} ${name} keys must sign, and ${role.keys.length} would be left`
  throw new HyphaError('argument-invalid', text, { mend })
}

/** Throws `argument-invalid` unless root metadata names the key in the role. */
export function checkNamed(root: RootMetadata, name: KeyRole, key: Uint8Array): void {
  if (holds(root[name], key)) return
  const text = `Root metadata version ${root.version} names no ${name} key ${idOf(key)}`
  throw new HyphaError('argument-invalid', text, { mend: 'hypha root show lists those that it names.' })
}

function checkNew(root: RootMetadata, name: KeyRole, key: Uint8Array): void {
  if (!holds(root[name], key)) return
  const text = `Root metadata version ${root.version} names the ${name} key ${idOf(key)} already`
  throw new HyphaError('argument-invalid', text, { mend: `Make a new key with hypha key new ${name}.` })
}
