import { HyphaError } from '@hypha/core/errors.ts'
import type { Files, OpenFile } from '@hypha/core/ports/files.ts'

/** Thrown by the operation at which the power goes, and by all after it. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut'
}

/** A disk loses and keeps whole sectors. */
const sectorBytes = 512

type Write = { readonly at: number; readonly bytes: Uint8Array } | { readonly size: number }

interface Inode {
  current: Uint8Array
  durable: Uint8Array
  /** Not yet synced, in order. */
  pending: Write[]
}

type Entry = Inode | 'folder'
type Names = Map<string, Entry>

interface NameChange {
  readonly folder: string
  apply(names: Names): void
}

export interface LossyOptions {
  /** The number of the changing operation (from 1) at which the power goes. */
  readonly cutAt?: number
  /** More than this in all files, and a write fails with `disk-full` after what fitted. */
  readonly capacityBytes?: number
}

/**
 * Files in memory behind a page cache, as the worst allowed disk: what a power cut finds unsynced is lost, kept, or torn at sectors, as the
 * seed has it; names that weren't synced with their folder are lost from some point on; a name whose folder is lost is lost.
 */
export class LossyFiles implements Files {
  /** How many changing operations were begun. */
  operations = 0
  capacityBytes: number
  #cutAt: number
  #off = false
  #names: Names
  readonly #durableNames: Names
  #changes: NameChange[] = []

  constructor(options: LossyOptions = {}, names: Names = new Map()) {
    this.#cutAt = options.cutAt ?? Number.POSITIVE_INFINITY
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
    this.#names = names
    this.#durableNames = new Map(names)
  }

  get cut(): boolean {
    return this.#off
  }

  /** Cuts the power now. */
  cutPower(): void {
    this.#off = true
  }

  /** What the disk holds when the power is back. */
  afterPowerCut(seed: number, options: LossyOptions = {}): LossyFiles {
    this.#off = true
    const random = generator(seed)
    const names: Names = new Map(this.#durableNames)
    for (const folder of new Set(this.#changes.map((change) => change.folder))) {
      const changes = this.#changes.filter((change) => change.folder === folder)
      for (const change of changes.slice(0, Math.floor(random() * (changes.length + 1)))) change.apply(names)
    }
    const survivors: Names = new Map()
    for (const [path, entry] of names) {
      if (!ancestors(path).every((folder) => names.get(folder) === 'folder')) continue
      survivors.set(path, entry === 'folder' ? entry : survivor(entry, random))
    }
    return new LossyFiles(options, survivors)
  }

  /** The same page cache under a new process: a killed one loses nothing that it wrote. */
  afterKill(options: LossyOptions = {}): LossyFiles {
    this.#off = true
    const files = new LossyFiles(options, this.#names)
    files.#durableNames.clear()
    for (const [path, entry] of this.#durableNames) files.#durableNames.set(path, entry)
    files.#changes = this.#changes
    return files
  }

  read(path: string): Uint8Array<ArrayBuffer> | null {
    this.#alive()
    const entry = this.#names.get(path)
    if (entry === 'folder') throw new HyphaError('file-failed', `${path} is a folder`)
    return entry ? entry.current.slice() : null
  }

  list(folder: string): string[] {
    this.#alive()
    return [...this.#names.keys()]
      .filter((path) => parent(path) === folder)
      .map((path) => path.slice(path.lastIndexOf('/') + 1))
      .sort()
  }

  ensureFolder(path: string): void {
    this.#tick()
    for (const folder of [...ancestors(path), path]) {
      if (folder !== '' && !this.#names.has(folder))
        this.#change(parent(folder), (names) => names.set(folder, 'folder'))
    }
  }

  open(path: string): OpenFile {
    this.#alive()
    const found = this.#names.get(path)
    if (found === 'folder') throw new HyphaError('file-failed', `${path} is a folder`)
    if (found) return this.#openFile(found)
    this.#tick()
    if (parent(path) !== '' && this.#names.get(parent(path)) !== 'folder') {
      throw new HyphaError('file-failed', `there is no folder for ${path}`)
    }
    const inode: Inode = { current: new Uint8Array(0), durable: new Uint8Array(0), pending: [] }
    this.#change(parent(path), (names) => names.set(path, inode))
    return this.#openFile(inode)
  }

  rename(from: string, to: string): void {
    this.#tick()
    if (parent(from) !== parent(to)) throw new HyphaError('file-failed', `${from} and ${to} are in different folders`)
    if (!this.#names.has(from)) throw new HyphaError('file-failed', `there is no ${from}`)
    this.#change(parent(from), (names) => {
      for (const [path, entry] of [...names]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue
        names.delete(path)
        names.set(to + path.slice(from.length), entry)
      }
    })
  }

  remove(path: string): void {
    this.#alive()
    if (!this.#names.has(path)) return
    this.#tick()
    this.#change(parent(path), (names) => {
      for (const name of [...names.keys()]) if (name === path || name.startsWith(`${path}/`)) names.delete(name)
    })
  }

  async syncFolder(folder: string): Promise<void> {
    this.#tick()
    const captured = this.#changes.filter((change) => change.folder === folder)
    await null
    this.#alive()
    for (const change of captured) {
      if (this.#changes.includes(change)) change.apply(this.#durableNames)
    }
    this.#changes = this.#changes.filter((change) => !captured.includes(change))
  }

  #openFile(inode: Inode): OpenFile {
    return {
      size: () => {
        this.#alive()
        return inode.current.length
      },
      readAt: (at, length) => {
        this.#alive()
        return Uint8Array.from(inode.current.subarray(at, at + length))
      },
      writeAt: (at, bytes) => {
        this.#alive()
        const write = { at, bytes: bytes.slice(0, this.#room(inode, at, bytes.length)) }
        inode.pending.push(write)
        inode.current = applied(inode.current, write)
        // The write at which the power goes may reach the disk, in part.
        this.#tick()
        if (write.bytes.length < bytes.length) throw new HyphaError('disk-full', 'there is no space left')
      },
      truncate: (size) => {
        this.#tick()
        inode.pending.push({ size })
        inode.current = applied(inode.current, { size })
      },
      sync: async () => {
        this.#tick()
        const captured = [...inode.pending]
        await null
        this.#alive()
        for (const write of captured) if (inode.pending.includes(write)) inode.durable = applied(inode.durable, write)
        inode.pending = inode.pending.filter((write) => !captured.includes(write))
      },
      close: () => undefined,
    }
  }

  /** How many of the bytes fit. */
  #room(inode: Inode, at: number, length: number): number {
    const others = [...this.#names.values()].reduce(
      (sum, entry) => sum + (entry === 'folder' || entry === inode ? 0 : entry.current.length),
      0,
    )
    return Math.max(0, Math.min(length, this.capacityBytes - others - at))
  }

  #change(folder: string, apply: (names: Names) => void): void {
    this.#changes.push({ folder, apply })
    apply(this.#names)
  }

  #tick(): void {
    this.#alive()
    this.operations++
    if (this.operations >= this.#cutAt) this.#off = true
    this.#alive()
  }

  #alive(): void {
    if (this.#off) throw new PowerCut('the power is off')
  }
}

const parent = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))

function ancestors(path: string): string[] {
  const levels = path.split('/')
  return levels.slice(1).map((_, index) => levels.slice(0, index + 1).join('/'))
}

function applied(bytes: Uint8Array, write: Write): Uint8Array {
  const size = 'size' in write ? write.size : Math.max(bytes.length, write.at + write.bytes.length)
  const result = new Uint8Array(size)
  result.set(bytes.subarray(0, size))
  if ('bytes' in write) result.set(write.bytes, write.at)
  return result
}

function survivor(inode: Inode, random: () => number): Inode {
  let bytes = inode.durable
  for (const write of inode.pending) {
    const fate = random()
    if (fate < 0.3) continue
    bytes = fate < 0.6 || 'size' in write ? applied(bytes, write) : torn(bytes, write, random)
  }
  return { current: bytes, durable: bytes, pending: [] }
}

/** A write of which some sectors reached the disk. */
function torn(before: Uint8Array, write: { at: number; bytes: Uint8Array }, random: () => number): Uint8Array {
  const end = write.at + write.bytes.length
  const result = new Uint8Array(Math.max(before.length, end))
  result.set(before)
  // The file may have grown without its data.
  let size = random() < 0.5 ? result.length : before.length
  for (let at = write.at; at < end; ) {
    const next = Math.min(end, at - (at % sectorBytes) + sectorBytes)
    if (random() < 0.5) {
      result.set(write.bytes.subarray(at - write.at, next - write.at), at)
      size = Math.max(size, next)
    }
    at = next
  }
  return result.slice(0, size)
}

/** Mulberry32: enough to choose by a seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
