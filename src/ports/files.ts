/**
 * The part of a file system that durability rests on, small enough to be replaced by one that loses what wasn't synced. Paths are
 * relative to the root that the implementation was given. Writes are in the page cache when they return: a killed process loses nothing of them, a
 * power cut all that came after the last sync.
 */
export interface Files {
  /** Null where there is no such file. */
  read(path: string): Uint8Array<ArrayBuffer> | null
  /** Names in a folder, sorted; none where there is no such folder. */
  list(folder: string): string[]
  /** Creates a folder with its parents. */
  ensureFolder(path: string): void
  open(path: string): OpenFile
  /** Both paths in one folder of the same file system; replaces. Durable after `syncFolder`. */
  rename(from: string, to: string): void
  /** Removes a file or a whole folder; nothing happens where there is none. */
  remove(path: string): void
  /** Makes creations, renames and removals in a folder durable. */
  syncFolder(path: string): Promise<void>
}

/** A file open for reading and writing, created if absent. */
export interface OpenFile {
  size(): number
  /** Fewer bytes than asked only at the end. */
  readAt(at: number, length: number): Uint8Array<ArrayBuffer>
  writeAt(at: number, bytes: Uint8Array): void
  truncate(size: number): void
  /** Makes what was written so far durable. */
  sync(): Promise<void>
  close(): void
}

/** Replaces a file as a whole: after a power cut it has the old bytes or the new ones. */
export async function replaceFile(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`
  files.remove(temporary)
  const file = files.open(temporary)
  try {
    file.writeAt(0, bytes)
    await file.sync()
  } finally {
    file.close()
  }
  files.rename(temporary, path)
  await files.syncFolder(path.slice(0, Math.max(0, path.lastIndexOf('/'))))
}
