import { ByteReader } from '@hypha/core/bytes/reader.ts'
import { ByteWriter } from '@hypha/core/bytes/writer.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'

const path = 'connection'
const reserve = 1_000

/**
 * Numbers connections so that each is above all earlier ones, also after a power cut: a block of numbers is written down before the first of it is
 * used, since a gateway ignores a presence with a number that it has seen.
 */
export async function connectionNumbers(files: Files): Promise<() => number> {
  const kept = files.read(path)
  let last = kept?.length === 4 ? new ByteReader(kept, path).u32() : 0
  const keep = (upTo: number) => replaceFile(files, path, new ByteWriter(4).u32(upTo).finish())
  let reserved = last + reserve
  await keep(reserved)
  let keeping = false
  return () => {
    last++
    if (last > reserved - reserve / 2 && !keeping) {
      keeping = true
      const upTo = reserved + reserve
      keep(upTo)
        .then(
          () => {
            reserved = upTo
          },
          () => {
            // A full disk: half a block is left, and each connection tries again.
          },
        )
        .finally(() => {
          keeping = false
        })
    }
    return last
  }
}
