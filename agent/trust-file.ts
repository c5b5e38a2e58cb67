import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import { type TrustSnapshot, trustSnapshot } from '@hypha/core/trust/snapshot.ts'

const path = 'trust'

/** What the agent trusts, on its disk. */
export class TrustFile {
  readonly #files: Files
  #kept: Uint8Array | null
  /** Apps and root metadata come at the same time, and a file is replaced by one writer at a time. */
  #last: Promise<void> = Promise.resolve()

  constructor(files: Files) {
    this.#files = files
    this.#kept = files.read(path)
  }

  get exists(): boolean {
    return this.#kept !== null
  }

  /** What was kept last, also by an earlier run; null where nothing was. Throws `message-malformed` for a damaged file. */
  read(): TrustSnapshot | null {
    return this.#kept === null ? null : trustSnapshot.decode(this.#kept)
  }

  /** Durable when it resolves. Asks for the snapshot when it is its turn, so that an older one never replaces a newer. Throws `disk-full` or `file-failed`. */
  keep(snapshot: () => TrustSnapshot): Promise<void> {
    const turn = this.#last.then(async () => {
      const bytes = trustSnapshot.encode(snapshot())
      if (this.#kept !== null && bytesEqual(bytes, this.#kept)) return
      await replaceFile(this.#files, path, bytes)
      this.#kept = bytes
    })
    this.#last = turn.catch(() => undefined)
    return turn
  }
}
