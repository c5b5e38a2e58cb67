import fs from 'node:fs'
import { type FileHandle, open as openHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { type ErrorCode, HyphaError } from '../errors.ts'
import type { Files, OpenFile } from '../ports/files.ts'

/**
 * Files under `root`, which is created if absent (mode 0700: it may hold keys). Every failure is a `HyphaError`: `disk-full` where there is
 * no space left, else `file-failed`, with the system's error as its cause.
 */
export function nodeFiles(root: string): Files {
  attempt(root, () => fs.mkdirSync(root, { recursive: true, mode: 0o700 }))

  const under = (path: string): string => {
    if (path.startsWith('/') || path.split('/').includes('..')) {
      throw new HyphaError('file-failed', `"${path}" is not below ${root}`, { where: root })
    }
    return join(root, path)
  }
  const within = <T>(path: string, run: (full: string) => T): T => {
    const full = under(path)
    return attempt(full, () => run(full))
  }

  return {
    read: (path) => within(path, (full) => ifPresent(() => new Uint8Array(fs.readFileSync(full)), null)),
    list: (folder) => within(folder, (full) => ifPresent(() => fs.readdirSync(full).sort(), [])),
    ensureFolder(path) {
      within(path, (full) => fs.mkdirSync(full, { recursive: true, mode: 0o700 }))
    },
    open: (path) => within(path, openFile),
    rename(from, to) {
      within(from, (full) => fs.renameSync(full, under(to)))
    },
    remove(path) {
      within(path, (full) => fs.rmSync(full, { recursive: true, force: true }))
    },
    async syncFolder(path) {
      const full = under(path)
      await attemptAsync(full, async () => {
        const handle = await openHandle(full, 'r')
        try {
          await handle.sync()
        } finally {
          await handle.close()
        }
      })
    },
  }
}

function openFile(full: string): OpenFile {
  const { O_RDWR, O_CREAT } = fs.constants
  const fd = fs.openSync(full, O_RDWR | O_CREAT, 0o600)
  // Under Node's permission model fs.fsync and fs.fdatasync fail and FileHandle.datasync() works. A handle can't be opened synchronously,
  // so the first sync opens it; syncing any descriptor of a file makes the whole file durable.
  let handle: Promise<FileHandle> | null = null
  const syncHandle = async (): Promise<FileHandle> => {
    const opened = await openHandle(full, 'r+')
    if ((await opened.stat()).ino !== fs.fstatSync(fd).ino) {
      await opened.close()
      throw new HyphaError('file-failed', `${full} was replaced while it was open`, { where: full })
    }
    return opened
  }
  return {
    size: () => attempt(full, () => fs.fstatSync(fd).size),
    readAt: (at, length) =>
      attempt(full, () => {
        const bytes = new Uint8Array(Math.max(0, Math.min(length, fs.fstatSync(fd).size - at)))
        let done = 0
        while (done < bytes.length) {
          const count = fs.readSync(fd, bytes, done, bytes.length - done, at + done)
          if (count === 0) return bytes.slice(0, done)
          done += count
        }
        return bytes
      }),
    writeAt(at, bytes) {
      attempt(full, () => {
        for (let done = 0; done < bytes.length; ) {
          done += fs.writeSync(fd, bytes, done, bytes.length - done, at + done)
        }
      })
    },
    truncate(size) {
      attempt(full, () => fs.ftruncateSync(fd, size))
    },
    sync: () =>
      attemptAsync(full, async () => {
        handle ??= syncHandle()
        try {
          await (await handle).datasync()
        } catch (thrown) {
          handle = null
          throw thrown
        }
      }),
    close() {
      fs.closeSync(fd)
      // A sync may be under way: its handle is closed when it is done, and a failure has been told to whoever asked for the sync.
      handle?.then(
        (opened) => opened.close(),
        () => undefined,
      )
    },
  }
}

function attempt<T>(full: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    throw failure(full, cause)
  }
}

async function attemptAsync(full: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (cause) {
    throw failure(full, cause)
  }
}

const systemCode = (thrown: unknown): unknown => (thrown as { code?: unknown } | null)?.code

const codes: Readonly<Record<string, ErrorCode>> = { ENOSPC: 'disk-full', EDQUOT: 'disk-full' }

function failure(full: string, cause: unknown): HyphaError {
  if (cause instanceof HyphaError) return cause
  const code = codes[String(systemCode(cause))] ?? 'file-failed'
  const message = cause instanceof Error ? cause.message : String(cause)
  return new HyphaError(code, message, { where: full, cause })
}

function ifPresent<T>(run: () => T, absent: T): T {
  try {
    return run()
  } catch (thrown) {
    if (systemCode(thrown) === 'ENOENT') return absent
    throw thrown
  }
}
