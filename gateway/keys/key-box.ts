import { scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Crypto } from '@hypha/core/ports/crypto.ts'
import { boxNonceBytes, openWithKey, sealWithKey } from '@hypha/core/trust/secret-box.ts'
import { bytes, message, oneOf, record, type TypeOf, uint, union } from '@hypha/core/wire/codec.ts'
import { id } from '@hypha/core/wire/ids.ts'

/** The keys that a person or a gateway keeps in a file; a node's own keys are in its identity. */
export const keyRoles = ['root', 'release', 'gateway'] as const
export type KeyRole = (typeof keyRoles)[number]

const identity = { fleet: [1, id], role: [2, oneOf(...keyRoles)] } as const

/** What is secret. Fleet and role stand in it once more, so that nobody can give the file another purpose. */
const secret = message('key', record({ ...identity, seed: [3, bytes({ exact: 32 })] }), 256)
export type KeySecret = TypeOf<typeof secret>

/** The costs are capped, so that a file can't make the program take all memory: 2^18 · 8 is 256 MiB. */
const protection = union(
  ['none', record({ plain: [1, bytes({ max: 256 })] })],
  [
    'passphrase',
    record({
      log2N: [1, uint(18, 14)],
      r: [2, uint(8, 1)],
      p: [3, uint(4, 1)],
      salt: [4, bytes({ exact: 32 })],
      nonce: [5, bytes({ exact: boxNonceBytes })],
      box: [6, bytes({ max: 512 })],
    }),
  ],
)

/** A key file: a public part that says what it is, and the secret, plain or in a box that a passphrase opens (scrypt, RFC 7914; NaCl secretbox). */
export const keyFile = message(
  'key file',
  record({ ...identity, publicKey: [3, bytes({ exact: 32 })], protection: [4, protection] }),
  1_024,
)
export type KeyFile = TypeOf<typeof keyFile>

/** How a new key file is protected. */
export type Protection =
  | { readonly passphrase: string }
  /** For a gateway that starts by itself, and for tests: whoever reads the file has the key. */
  | { readonly unsafePlain: true }

const cost = { log2N: 15, r: 8, p: 1 }

/** Throws `passphrase-needed` for an empty passphrase. */
export async function sealKey(key: KeySecret, how: Protection, crypto: Crypto): Promise<KeyFile> {
  const { fleet, role, seed } = key
  const publicKey = crypto.publicKey(seed)
  const plain = secret.encode(key)
  if ('unsafePlain' in how) return { fleet, role, publicKey, protection: { kind: 'none', plain } }
  if (how.passphrase === '') {
    throw new HyphaError('passphrase-needed', `A passphrase is needed to protect the ${role} key of ${fleet}`)
  }
  const salt = crypto.random(32)
  const sealed = sealWithKey(plain, await deriveKey(how.passphrase, { ...cost, salt }), crypto)
  return { fleet, role, publicKey, protection: { kind: 'passphrase', ...cost, salt, ...sealed } }
}

/** The key of a file. Throws `passphrase-needed`, `passphrase-wrong` or `key-file-malformed`. */
export async function openKeyBox(file: KeyFile, passphrase: string | null, crypto: Crypto): Promise<KeySecret> {
  const { protection: how, role, fleet } = file
  const name = `the ${role} key of ${fleet}`
  let plain: Uint8Array | null
  if (how.kind === 'none') plain = how.plain
  else {
    if (passphrase === null) throw new HyphaError('passphrase-needed', `A passphrase is needed to open ${name}`)
    plain = openWithKey(how, await deriveKey(passphrase, how))
  }
  if (plain === null) throw new HyphaError('passphrase-wrong', `The passphrase does not open ${name}`)
  const key = secret.decode(plain)
  const same = key.fleet === fleet && key.role === role && bytesEqual(crypto.publicKey(key.seed), file.publicKey)
  if (!same) throw new HyphaError('key-file-malformed', `The file says it holds ${name}, and holds another`)
  return key
}

const scryptAsync = promisify<string, Uint8Array, number, object, Buffer>(scrypt)

async function deriveKey(
  passphrase: string,
  { log2N, r, p, salt }: { log2N: number; r: number; p: number; salt: Uint8Array },
): Promise<Uint8Array> {
  const N = 2 ** log2N
  // One passphrase can be typed as different bytes on different keyboards: NFKC makes them one.
  const key = await scryptAsync(passphrase.normalize('NFKC'), salt, 32, { N, r, p, maxmem: 128 * N * r + 1_048_576 })
  return new Uint8Array(key)
}
