import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { maxRootBytes } from '@hypha/core/trust/snapshot.ts'
import { bytes, message, nullable, record, type TypeOf, text, uint } from '@hypha/core/wire/codec.ts'
import { id } from '@hypha/core/wire/ids.ts'

const codec = message(
  'upstream',
  record({
    /** The upstream's fleet, and the name that this gateway has there. */
    fleet: [1, id],
    site: [2, id],
    /** Where the uplink is opened. */
    host: [3, text(253)],
    port: [4, uint(65_535, 1)],
    /** PEM: the upstream's CA, and this site's certificate. */
    ca: [5, text(8_192)],
    certificate: [6, text(8_192)],
    /** Of an Ed25519 key that is used with this upstream alone. */
    seed: [7, bytes({ exact: 32 })],
    joinedMs: [8, uint()],
    /** The node of this fleet that the upstream runs. */
    node: [9, id],
    /** Where the upstream's API is, and the newest root metadata of its fleet (an envelope), verified from the one that the join URL pinned on. Null: its authority can't be followed. */
    httpPort: [10, nullable(uint(65_535, 1))],
    root: [11, nullable(bytes({ max: maxRootBytes }))],
  }),
  32_768,
)

/** Which upstream this gateway has joined, and by which key. */
export type Upstream = TypeOf<typeof codec>

/** Null where there is none. Throws `home-malformed`. */
export function readUpstream(path: string): Upstream | null {
  if (!existsSync(path)) return null
  try {
    return codec.decode(readFileSync(path))
  } catch (cause) {
    throw new HyphaError('home-malformed', `${path}: ${asHyphaError(cause).message}`, {
      where: path,
      mend: 'Bring the file back from a backup, or delete it and join again: hypha site invite NAME --replace at the upstream.',
      cause,
    })
  }
}

/** It is the old or the new one, whatever happens meanwhile. */
export function writeUpstream(path: string, upstream: Upstream): void {
  writeFileSync(`${path}.new`, codec.encode(upstream), { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}

export const removeUpstream = (path: string): void => rmSync(path, { force: true })
