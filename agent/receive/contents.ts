import { bytesEqual, fromHex, toHex } from '@hypha/core/bytes/text.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'

const folder = 'contents'

/** Contents by their SHA-256: a file is there whole, or not at all. */
export interface Contents {
  /** Whether there is a file; `read` says whether it is still good. */
  has(digest: Uint8Array): boolean
  /** Null where it isn't there, or its bytes have changed on the disk: then it is removed, so that it is fetched again. */
  read(digest: Uint8Array): Uint8Array<ArrayBuffer> | null
  /** Durable when it resolves. `bytes` have been held against their digest. Throws `disk-full` or `file-failed`. */
  put(digest: Uint8Array, bytes: Uint8Array): Promise<void>
  /** Digests of all contents. */
  list(): Uint8Array<ArrayBuffer>[]
  /** Removes all others. */
  retain(digests: Iterable<Uint8Array>): Promise<void>
}

export async function openContents(files: Files, { sha256 }: Pick<Crypto, 'sha256'>): Promise<Contents> {
  files.ensureFolder(folder)
  await files.syncFolder('')
  const held = new Set(files.list(folder).filter((name) => /^[0-9a-f]{64}$/.test(name)))
  // What a power cut left half-written.
  for (const name of files.list(folder)) if (!held.has(name)) files.remove(`${folder}/${name}`)

  const remove = (name: string): void => {
    held.delete(name)
    files.remove(`${folder}/${name}`)
  }
  return {
    has: (digest) => held.has(toHex(digest)),
    read(digest) {
      const name = toHex(digest)
      const bytes = held.has(name) ? files.read(`${folder}/${name}`) : null
      if (bytes && bytesEqual(sha256(bytes), digest)) return bytes
      if (held.has(name)) remove(name)
      return null
    },
    async put(digest, bytes) {
      const name = toHex(digest)
      await replaceFile(files, `${folder}/${name}`, bytes)
      held.add(name)
    },
    list: () => [...held].map(fromHex),
    async retain(digests) {
      const wanted = new Set([...digests].map(toHex))
      const gone = [...held].filter((name) => !wanted.has(name))
      for (const name of gone) remove(name)
      if (gone.length > 0) await files.syncFolder(folder)
    },
  }
}
