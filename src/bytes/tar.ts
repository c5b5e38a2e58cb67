import { HyphaError } from '../errors.ts'
import { ByteReader } from './reader.ts'
import { bytesEqual, fromUtf8, toUtf8 } from './text.ts'
import { ByteWriter } from './writer.ts'

// The one form of ustar (POSIX.1-2017, pax, "ustar Interchange Format") that a folder of program files has here: regular files in rising order of their names, with
// nothing about owners, modes and times. Equal folders are equal bytes, any tar unpacks them, and what isn't exactly so is refused.

export interface TarFile {
  /** Relative, with slashes; its parts begin with a letter, a digit or "_", so that none leads out of the folder. */
  readonly name: string
  readonly bytes: Uint8Array
}

const blockBytes = 512
const maxFiles = 256
const maxNameBytes = 99
const part = '[A-Za-z0-9_][A-Za-z0-9._-]*'
const safeName = new RegExp(`^${part}(/${part})*$`)

/** The files as one archive. Throws `bytes-malformed` for names that aren't safe or are there twice, `bytes-too-long` for too many files. */
export function writeTar(files: readonly TarFile[]): Uint8Array<ArrayBuffer> {
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1))
  checkNames(sorted.map(({ name }) => name))
  const writer = new ByteWriter(sorted.reduce((sum, { bytes }) => sum + bytes.length + 2 * blockBytes, 2 * blockBytes))
  for (const { name, bytes } of sorted) {
    writer
      .put(header(name, bytes.length))
      .put(bytes)
      .put(new Uint8Array(paddingOf(bytes.length)))
  }
  return writer.put(new Uint8Array(2 * blockBytes)).finish()
}

/**
 * The files of an archive that `writeTar` made, as views of its bytes. Throws `bytes-malformed` for every other, also for one that a tar would
 * unpack: links, folders, owners, other orders; `bytes-too-long` for too many files, `bytes-truncated`.
 */
export function readTar(archive: Uint8Array): TarFile[] {
  const reader = new ByteReader(archive, 'archive')
  const files: TarFile[] = []
  for (;;) {
    const found = reader.take(blockBytes)
    if (found.every((byte) => byte === 0)) break
    const { name, size } = namedIn(found)
    if (!bytesEqual(found, header(name, size))) throw malformed(`the entry ${name} is not that of a plain file`)
    const bytes = reader.take(size)
    if (!reader.take(paddingOf(size)).every((byte) => byte === 0)) throw malformed(`${name} is not padded with zeros`)
    files.push({ name, bytes })
    if (files.length > maxFiles) throw tooMany()
  }
  const end = reader.take(blockBytes)
  if (!end.every((byte) => byte === 0) || !reader.done) throw malformed('something follows its end')
  checkNames(files.map(({ name }) => name))
  return files
}

/** POSIX: name 100, mode 8, uid 8, gid 8, size 12, mtime 12, chksum 8, typeflag 1, linkname 100, magic 6, version 2. */
function header(name: string, size: number): Uint8Array {
  const block = new Uint8Array(blockBytes)
  const put = (at: number, text: string) => block.set(toUtf8(text), at)
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
  put(0, name)
  put(100, octal(0o644, 7))
  put(108, octal(0, 7))
  put(116, octal(0, 7))
  put(124, octal(size, 11))
  put(136, octal(0, 11))
  // The sum is taken with the sum's own field full of spaces.
  put(148, ' '.repeat(8))
  put(156, '0')
  put(257, 'ustar')
  put(263, '00')
  const sum = block.reduce((total, byte) => total + byte, 0)
  put(148, `${octal(sum, 6)}\0 `)
  return block
}

function namedIn(block: Uint8Array): { name: string; size: number } {
  const text = fromUtf8(block.subarray(0, Math.max(0, block.indexOf(0))))
  const digits = fromUtf8(block.subarray(124, 135))
  if (!isSafe(text)) throw malformed('an entry has a name that is not safe')
  if (!/^[0-7]{11}$/.test(digits)) throw malformed(`the size of ${text} is not in octal`)
  return { name: text, size: Number.parseInt(digits, 8) }
}

function checkNames(sorted: readonly string[]): void {
  if (sorted.length > maxFiles) throw tooMany()
  for (const [index, name] of sorted.entries()) {
    if (!isSafe(name)) throw malformed(`"${name}" is no safe name of a file`)
    if (index > 0 && sorted[index - 1]! >= name) throw malformed(`${name} is there twice or out of order`)
  }
}

const isSafe = (name: string): boolean => name.length <= maxNameBytes && safeName.test(name)
const paddingOf = (size: number): number => (blockBytes - (size % blockBytes)) % blockBytes
const malformed = (why: string) => new HyphaError('bytes-malformed', `The archive is not of our making: ${why}`)
const tooMany = () => new HyphaError('bytes-too-long', `The archive has more than ${maxFiles} files`)
