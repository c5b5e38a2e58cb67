import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { bytes, message, record, uint } from '@hypha/core/wire/codec.ts'
import { type OpenKey, openKeyFile, readKeyInfo } from './key-file.ts'

const unlocked = message(
  'unlocked key',
  record({ publicKey: [1, bytes({ exact: 32 })], seed: [2, bytes({ exact: 32 })], expiresMs: [3, uint()] }),
  256,
)

/** The longest time for which a key can be left unlocked. */
export const maxUnlockMs = 24 * 3_600_000

export interface SessionOptions {
  /** In memory, and of this user alone: see `findSessionFolder`. Null where the machine has none. */
  readonly folder: string | null
  readonly nowMs: () => number
}

/** Keys that were unlocked for a while, so that not every push asks for the passphrase. They lie in memory, never on a disk, and end with the machine's run. */
export class KeySession {
  readonly #options: SessionOptions

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** Opens a key file and keeps it open for `ttlMs`; answers when that ends. Throws `runtime-folder-missing` and what `openKeyFile` throws. */
  async unlockFor(path: string, passphrase: string, ttlMs: number): Promise<{ readonly expiresMs: number }> {
    const folder = this.#folder()
    const { publicKey, seed } = await openKeyFile(path, passphrase)
    const expiresMs = this.#options.nowMs() + Math.min(ttlMs, maxUnlockMs)
    const target = join(folder, nameOf(path))
    const temporary = `${target}.${process.pid}`
    rmSync(temporary, { force: true })
    writeFileSync(temporary, unlocked.encode({ publicKey, seed, expiresMs }), { mode: 0o600, flag: 'wx' })
    renameSync(temporary, target)
    return { expiresMs }
  }

  /** Locks a key again; false if it was locked. */
  lock(path: string): boolean {
    if (this.#read(path) === null) return false
    rmSync(join(this.#folder(), nameOf(path)), { force: true })
    return true
  }

  /** Locks all keys of this user. */
  lockAll(): void {
    if (this.#options.folder === null) return
    const folder = this.#folder()
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { force: true })
  }

  /**
   * Opens a key: unlocked as it may be, else with the passphrase that `ask` answers, which is not called for a key that needs none. `ask` answers null where nobody
   * can be asked. Throws what `openKeyFile` throws.
   */
  async open(path: string, ask: () => Promise<string | null>): Promise<OpenKey> {
    const info = readKeyInfo(path)
    const seed = info.locked ? this.#read(path, info.publicKey) : null
    if (seed) return { ...info, seed }
    return openKeyFile(path, info.locked ? await ask() : null)
  }

  #folder(): string {
    const { folder } = this.#options
    if (folder === null) {
      throw new HyphaError('runtime-folder-missing', 'There is no folder in memory to keep an unlocked key in')
    }
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (!isPrivate(lstatSync(folder))) {
      throw new HyphaError('key-file-exposed', `${folder} is not a folder of this user alone`, { where: folder })
    }
    return folder
  }

  /** The seed, or null where it is locked, expired, or of a key that the file holds no more. */
  #read(path: string, publicKey?: Uint8Array): Uint8Array | null {
    if (this.#options.folder === null) return null
    const file = join(this.#folder(), nameOf(path))
    const content = readPrivate(file)
    if (content === null) return null
    const { seed, expiresMs, publicKey: kept } = unlocked.decode(content)
    const nowMs = this.#options.nowMs()
    // A clock that was set back must not make it last longer either.
    const current = nowMs < expiresMs && expiresMs <= nowMs + maxUnlockMs
    if (current && (publicKey === undefined || bytesEqual(kept, publicKey))) return seed
    rmSync(file, { force: true })
    return null
  }
}

/** Where keys can lie unlocked: a file system in memory that ends with the run of the machine. Null where there is none, as on macOS. */
export function findSessionFolder(env: Readonly<Record<string, string | undefined>>): string | null {
  const uid = process.getuid?.()
  if (uid === undefined) return null
  const own = [env.XDG_RUNTIME_DIR, `/run/user/${uid}`].find(
    (folder) => folder !== undefined && isInMemory(folder) && isPrivate(statSync(folder)),
  )
  if (own !== undefined) return join(own, 'hypha')
  return isInMemory('/dev/shm') ? `/dev/shm/hypha-${uid}` : null
}

/** `f_type` of statfs(2): tmpfs and ramfs. */
const memoryFileSystems: readonly number[] = [0x01021994, 0x858458f6]

function isInMemory(folder: string): boolean {
  const stat = statSync(folder, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && memoryFileSystems.includes(statfsSync(folder).type)
}

function isPrivate(stat: { isDirectory(): boolean; uid: number; mode: number }): boolean {
  return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0
}

function readPrivate(file: string): Uint8Array | null {
  if (!lstatSync(file, { throwIfNoEntry: false })) return null
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
      throw new HyphaError('key-file-exposed', `${file} is not a file of this user alone`, { where: file })
    }
    return new Uint8Array(readFileSync(descriptor))
  } finally {
    closeSync(descriptor)
  }
}

/** One name for a key file, whatever way its path is written. */
const nameOf = (path: string): string => createHash('sha256').update(realpathSync(path)).digest('hex')
