import { readTar, type TarFile } from '@hypha/core/bytes/tar.ts'
import { bytesEqual, fromUtf8, toUtf8 } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'
import type { Found, Why } from './machine.ts'

// The folder `agent/` in the agent's home, which the launcher reads too (agent/launcher): plain lines, so that a shell can.
//
//   slots/DIGEST/    an agent's program, named by the SHA-256 of its archive; main.js starts it
//   current          DIGEST: what the launcher starts
//   previous         DIGEST: what it starts where that is gone
//   trial            DIGEST TRIES: what it starts in place of `current`, so many times at most
//   reverted         DIGEST CODE WORDS: what was given up last, and why
//   before           the apps that ran under the agent before, one a line
//
// Each of them is replaced as a whole: a power cut leaves the old line or the new one.

const digestForm = /^[0-9a-f]{64}$/
const entry = 'main.js'
const folder = 'slots'

export class Slots {
  readonly #files: Files
  readonly running: string

  /** `files` lie under `agent/` in the agent's home; `running` is the slot that this process was started from. */
  constructor(files: Files, running: string) {
    this.#files = files
    this.running = running
  }

  /** What the launcher and the agents before have left; `staged` comes from the install file. */
  found(staged: string | null): Found {
    const [current = ''] = this.#words('current')
    const [trial = ''] = this.#words('trial')
    const [reverted = '', code = '', ...words] = this.#words('reverted')
    return {
      running: this.running,
      staged,
      current: digestForm.test(current) ? current : null,
      trial: digestForm.test(trial) ? trial : null,
      reverted: digestForm.test(reverted) ? { slot: reverted, code, message: words.join(' ') } : null,
    }
  }

  /** Apps that ran before the trial; null where nothing was written down. */
  before(): string[] | null {
    const text = this.#read('before')
    return text === null ? null : text.split('\n').filter((line) => line !== '')
  }

  /**
   * Unpacks a verified archive into its slot, whole and durable when it resolves; one that is there and is as it should be stays. Throws what `readTar` throws,
   * `metadata-invalid` for an archive without a program, `disk-full`, `file-failed`.
   */
  async install(slot: string, archive: Uint8Array): Promise<void> {
    const unpacked = readTar(archive)
    if (!unpacked.some(({ name }) => name === entry)) {
      throw new HyphaError('metadata-invalid', `The archive of the agent has no ${entry}`)
    }
    if (this.#holds(slot, unpacked)) return
    const files = this.#files
    const fresh = `${folder}/${slot}.new`
    files.ensureFolder(folder)
    await files.syncFolder('')
    files.remove(fresh)
    files.remove(`${folder}/${slot}`)
    files.ensureFolder(fresh)
    for (const { name, bytes } of unpacked) await this.#write(`${fresh}/${name}`, bytes)
    for (const inner of foldersOf(unpacked).reverse()) await files.syncFolder(`${fresh}${inner}`)
    files.rename(fresh, `${folder}/${slot}`)
    await files.syncFolder(folder)
  }

  /** Makes ready for a trial, which the launcher doesn't know yet: which apps have to run under it too. */
  async prepare(running: readonly string[]): Promise<void> {
    await this.#drop('reverted')
    await this.#replace('before', running.map((app) => `${app}\n`).join(''))
  }

  /** From here on the launcher tries a slot in place of `current`, when it starts an agent the next time. */
  try(slot: string, tries: number): Promise<void> {
    return this.#replace('trial', `${slot} ${tries}\n`)
  }

  /** What runs is what the launcher starts from now on. Cut at any moment, the launcher still starts it, or tries it again. */
  async confirm(): Promise<void> {
    const { current } = this.found(null)
    if (current !== this.running) {
      if (current !== null) await this.#replace('previous', `${current}\n`)
      await this.#replace('current', `${this.running}\n`)
    }
    await this.endTrial()
    await this.#drop('before')
  }

  /** What is on trial isn't tried any more. The reason is written first: whoever finds it ends the trial. */
  async giveUp(slot: string, { code, message }: Why): Promise<void> {
    await this.#replace('reverted', `${slot} ${code} ${message.replaceAll(/\s+/g, ' ')}\n`)
    await this.endTrial()
  }

  endTrial(): Promise<void> {
    return this.#drop('trial')
  }

  /** Removes every slot but the one that runs, `current` and `previous`, and what was unpacked in part. */
  async sweep(): Promise<void> {
    const { current, trial } = this.found(null)
    const [previous] = this.#words('previous')
    const kept = [this.running, current, trial, previous]
    const useless = this.#files.list(folder).filter((name) => !kept.includes(name))
    if (useless.length === 0) return
    for (const name of useless) this.#files.remove(`${folder}/${name}`)
    await this.#files.syncFolder(folder)
  }

  #holds(slot: string, unpacked: readonly TarFile[]): boolean {
    return unpacked.every(({ name, bytes }) => {
      const found = this.#files.read(`${folder}/${slot}/${name}`)
      return found !== null && bytesEqual(found, bytes)
    })
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    this.#files.ensureFolder(path.slice(0, path.lastIndexOf('/')))
    const file = this.#files.open(path)
    try {
      file.writeAt(0, bytes)
      await file.sync()
    } finally {
      file.close()
    }
  }

  #replace(name: string, text: string): Promise<void> {
    return replaceFile(this.#files, name, toUtf8(text))
  }

  async #drop(name: string): Promise<void> {
    if (this.#files.read(name) === null) return
    this.#files.remove(name)
    await this.#files.syncFolder('')
  }

  #words(name: string): string[] {
    return (this.#read(name) ?? '').trim().split(/\s+/)
  }

  #read(name: string): string | null {
    const bytes = this.#files.read(name)
    try {
      return bytes === null ? null : fromUtf8(bytes)
    } catch {
      // A damaged line says nothing: neither does the launcher make anything of it.
      return null
    }
  }
}

/** The folder itself and all within, each after the one that it lies in, as "" or "/worker". */
function foldersOf(files: readonly TarFile[]): string[] {
  const all = new Set([''])
  for (const { name } of files) {
    const parts = name.split('/').slice(0, -1)
    for (let depth = 1; depth <= parts.length; depth++) all.add(`/${parts.slice(0, depth).join('/')}`)
  }
  return [...all].sort()
}
