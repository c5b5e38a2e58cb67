import { bytesEqual, toHex } from '@hypha/core/bytes/text.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import { maxCheckpointBytes } from '@hypha/core/wire/messages/checkpoint.ts'

const folder = 'handover'

/** Checkpoints of instances that have left this node: on its disk until the gateway has them, over restarts and power cuts. */
export class Outbox {
  readonly #files: Files
  readonly #sha256: Crypto['sha256']
  /** In the order in which they were written. */
  readonly #kept = new Map<string, Uint8Array>()

  /** Throws `file-failed`. */
  constructor(files: Files, sha256: Crypto['sha256']) {
    this.#files = files
    this.#sha256 = sha256
    files.ensureFolder(folder)
    for (const name of files.list(folder)) {
      const bytes = files.read(`${folder}/${name}`)
      const whole = bytes !== null && bytes.length <= maxCheckpointBytes && name.endsWith(toHex(sha256(bytes)))
      if (whole) this.#kept.set(name, bytes)
      else files.remove(`${folder}/${name}`)
    }
  }

  /** Resolves when it is durable. `number`, of the journal's last entry that it stands for, orders them. Throws `disk-full`, `file-failed`. */
  async add(number: number, bytes: Uint8Array): Promise<void> {
    const name = `${`${number}`.padStart(16, '0')}.${toHex(this.#sha256(bytes))}`
    await this.#files.syncFolder('')
    await replaceFile(this.#files, `${folder}/${name}`, bytes)
    this.#kept.set(name, bytes)
  }

  /** The oldest; null where there is none. */
  first(): Uint8Array | null {
    const [first = null] = this.#kept.values()
    return first
  }

  /** The gateway is done with it. Nothing happens where it isn't here. */
  remove(digest: Uint8Array): void {
    for (const [name, bytes] of this.#kept) {
      if (!bytesEqual(this.#sha256(bytes), digest)) continue
      this.#kept.delete(name)
      this.#files.remove(`${folder}/${name}`)
    }
  }
}
