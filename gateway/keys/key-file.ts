import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { type KeyFile, type KeyRole, type KeySecret, keyFile, openKeyBox, type Protection, sealKey } from './key-box.ts'

/** What a key file says to anyone. */
export interface KeyInfo {
  readonly path: string
  readonly fleet: string
  readonly role: KeyRole
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** Whether a passphrase is needed to open it. */
  readonly locked: boolean
}

/** An open key. */
export interface OpenKey extends KeyInfo {
  /** 32 bytes; whoever has it is the key. */
  readonly seed: Uint8Array
}

export interface NewKey {
  readonly fleet: string
  readonly role: KeyRole
  readonly protection: Protection
  /** 32 bytes; a random one where none is given. */
  readonly seed?: Uint8Array
}

/**
 * Makes a key and writes it to a new file of mode 0600; folders are made with 0700. The file is text, so that it can be pasted into the secrets of a CI. Throws
 * `key-file-exists`, `passphrase-needed`.
 */
export async function createKeyFile(path: string, key: NewKey): Promise<OpenKey> {
  const { fleet, role, protection, seed = nodeCrypto.random(32) } = key
  const file = await sealKey({ fleet, role, seed }, protection, nodeCrypto)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const header = `# Hypha: the ${role} key of the fleet ${fleet}, ${'passphrase' in protection ? 'locked by a passphrase' : 'NOT LOCKED'}\n# public key ${toHex(file.publicKey)}\n`
  const body = Buffer.from(keyFile.encode(file)).toString('base64').replace(/.{76}/g, '$&\n')
  try {
    // "wx": nothing is ever overwritten, also not by two programs at once.
    writeFileSync(path, `${header}${body}\n`, { mode: 0o600, flag: 'wx', flush: true })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new HyphaError('key-file-exists', `${path} exists already`, { where: path, cause })
  }
  return { ...infoOf(path, file), seed }
}

/** What a key file is, without opening it. Throws `key-file-missing`, `key-file-malformed`, `key-file-exposed`. */
export const readKeyInfo = (path: string): KeyInfo => infoOf(path, readKeyFile(path))

/** Opens a key file. `passphrase` is null where none is known. Throws what `readKeyInfo` does, and `passphrase-needed`, `passphrase-wrong`. */
export async function openKeyFile(path: string, passphrase: string | null): Promise<OpenKey> {
  const file = readKeyFile(path)
  const { seed }: KeySecret = await openKeyBox(file, passphrase, nodeCrypto)
  return { ...infoOf(path, file), seed }
}

function infoOf(path: string, { fleet, role, publicKey, protection }: KeyFile): KeyInfo {
  return { path, fleet, role, publicKey, locked: protection.kind === 'passphrase' }
}

const maxFileBytes = 4_096

function readKeyFile(path: string): KeyFile {
  if (!existsSync(path)) throw new HyphaError('key-file-missing', `There is no key file ${path}`, { where: path })
  const descriptor = openSync(path, 'r')
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile() || stat.size > maxFileBytes) throw malformed(path)
    const file = decode(path, readFileSync(descriptor, 'latin1'))
    if (file.protection.kind === 'none' && (stat.mode & 0o077) !== 0) {
      throw new HyphaError('key-file-exposed', `${path} is not locked, and others can read it`, { where: path })
    }
    return file
  } finally {
    closeSync(descriptor)
  }
}

function decode(path: string, text: string): KeyFile {
  const body = text.replace(/^#.*$/gm, '').replace(/\s+/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(body)) throw malformed(path)
  try {
    return keyFile.decode(new Uint8Array(Buffer.from(body, 'base64')))
  } catch (cause) {
    throw malformed(path, cause)
  }
}

const malformed = (path: string, cause?: unknown) =>
  new HyphaError('key-file-malformed', `${path} is not a key file of Hypha`, { where: path, cause })
