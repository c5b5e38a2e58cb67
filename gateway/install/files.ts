import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, statSync } from 'node:fs'
import { open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

export interface StoredFile {
  /** SHA-256, lower-case hex; also its name. */
  readonly digest: string
  readonly bytes: number
}

const graceMs = 3_600_000
const digestName = /^[0-9a-f]{64}$/

/** SHA-256 of a file, read as a stream. */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}

/** What devices download, by digest, in one folder. A file gets its name when it is whole and on the disk, and is checked again before it is first given out. */
export class InstallFiles {
  readonly folder: string
  readonly #checked = new Map<string, Promise<StoredFile | null>>()

  constructor(folder: string) {
    this.folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  path(digest: string): string {
    return join(this.folder, digest)
  }

  /** Keeps what `write` leaves at the path that it is given. */
  async add(write: (path: string) => Promise<void>): Promise<StoredFile> {
    const part = join(this.folder, `${process.pid}-${crypto.randomUUID()}.part`)
    try {
      await write(part)
      const digest = await digestOfFile(part)
      const handle = await open(part, 'r')
      await handle.sync()
      await handle.close()
      await rename(part, this.path(digest))
      const stored = { digest, bytes: statSync(this.path(digest)).size }
      this.#checked.set(digest, Promise.resolve(stored))
      return stored
    } finally {
      await rm(part, { force: true })
    }
  }

  /** A stored file whose bytes are what its name says; null for any other name. One that has spoilt is deleted. */
  find(name: string): Promise<StoredFile | null> {
    if (!digestName.test(name)) return Promise.resolve(null)
    let found = this.#checked.get(name)
    if (found === undefined) {
      found = this.#check(name)
      // Only what is there is remembered: names that strangers think of take no memory.
      this.#checked.set(name, found)
      const forget = () => this.#checked.delete(name)
      found.then((file) => file ?? forget(), forget)
    }
    return found
  }

  async #check(digest: string): Promise<StoredFile | null> {
    const path = this.path(digest)
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) return null
    if ((await digestOfFile(path)) === digest) return { digest, bytes: stat.size }
    await rm(path, { force: true })
    return null
  }

  /** Deletes the files that are not among those to keep; new ones stay for a while: another process may be about to write down what they are for. */
  async keepOnly(digests: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.folder)) {
      if (!/^([0-9a-f]{64}|.*\.part)$/.test(name) || digests.has(name)) continue
      const stat = statSync(this.path(name), { throwIfNoEntry: false })
      if (stat === undefined || Date.now() - stat.mtimeMs < graceMs) continue
      this.#checked.delete(name)
      await rm(this.path(name), { force: true })
    }
  }
}
