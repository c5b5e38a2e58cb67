import { encodeCbor, tagged } from '../bytes/cbor.ts'
import { bytesEqual, toHex, toUtf8 } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'
import type { Crypto } from '../ports/crypto.ts'
import { algorithm, headers, kidBytes, maxSignatures, parseEnvelope, tags } from './cose-parse.ts'
import type { Role } from './root.ts'

/** What an envelope carries. A new kind needs nothing but its name here. */
export type EnvelopeKind = 'root' | 'release' | 'directive' | 'commit' | 'receipt'

/** Who signs: a key in a file, or one that never leaves its token. */
export interface Signer {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array
  /** The first 8 bytes of the SHA-256 of the public key. */
  readonly kid: Uint8Array
  /** An Ed25519 signature (RFC 8032) of 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}

/** One signature as it came: nothing is known of it until it was verified with a key. */
export interface UnverifiedSignature {
  readonly kid: Uint8Array
  /** Whether this key made the signature over exactly the payload and the protected headers that were received. */
  verifies(publicKey: Uint8Array, crypto: Crypto): boolean
}

/** An envelope whose form was checked, and nothing else. */
export interface OpenedEnvelope {
  /** Not to be read as anything before `verifyThreshold` answered it: signed by nobody yet. */
  readonly unverifiedPayload: Uint8Array
  readonly signatures: readonly UnverifiedSignature[]
}

/** The name of a public key in envelopes: a hint that says which key to try, never a proof. */
export function keyId(publicKey: Uint8Array, crypto: Pick<Crypto, 'sha256'>): Uint8Array {
  return crypto.sha256(publicKey).slice(0, kidBytes)
}

/** A signer that holds its seed (32 bytes). */
export function seedSigner(seed: Uint8Array, crypto: Crypto): Signer {
  const publicKey = crypto.publicKey(seed)
  return { publicKey, kid: keyId(publicKey, crypto), sign: (message) => crypto.sign(seed, message) }
}

// The kind is signed twice: the content type is in the protected headers, where every COSE tool sees it, and the context is
// external data (RFC 9052, 4.3), so that no signature made for one kind can ever be presented as another.
const contentType = (kind: EnvelopeKind) => `application/vnd.hypha.${kind}+cbor`
const context = (kind: EnvelopeKind) => toUtf8(`hypha ${kind} v1`)

/** COSE_Sign1 (RFC 9052, 4.2). `payload` is the bytes as `encode` of the message's codec made them. */
export function signOne(payload: Uint8Array, kind: EnvelopeKind, signer: Signer): Uint8Array<ArrayBuffer> {
  const protectedHeader = encodeCbor(
    new Map<number, unknown>([
      [headers.algorithm, algorithm.eddsa],
      [headers.contentType, contentType(kind)],
      [headers.kid, signer.kid],
    ]),
  )
  const signature = signer.sign(toBeSignedOne(protectedHeader, payload, kind))
  return encodeCbor(tagged(tags.sign1, [protectedHeader, new Map(), payload, signature]))
}

/** COSE_Sign (RFC 9052, 4.1), for roles with a threshold. At least one signer, each a different key. */
export function signMany(payload: Uint8Array, kind: EnvelopeKind, signers: readonly Signer[]): Uint8Array<ArrayBuffer> {
  const body = encodeCbor(new Map([[headers.contentType, contentType(kind)]]))
  return encodeMany(
    body,
    payload,
    signers.map((signer) => signPart(body, payload, kind, signer)),
  )
}

/**
 * The envelope with one signature more, over the same payload; a signature by the same key is replaced. Only for COSE_Sign. Throws
 * `envelope-malformed` and `envelope-kind`. The signer has to have read the payload: this function doesn't judge it.
 */
export function addSignature(
  envelope: Uint8Array,
  kind: EnvelopeKind,
  signer: Signer,
  maxBytes: number,
): Uint8Array<ArrayBuffer> {
  const parsed = parseEnvelope(envelope, contentType(kind), maxBytes)
  if (parsed.form !== 'sign') {
    throw new HyphaError('envelope-malformed', `The ${kind} is signed by one key alone: no signature can be added`)
  }
  const others = parsed.parts.filter((part) => !bytesEqual(part.kid, signer.kid))
  const mine = signPart(parsed.body, parsed.payload, kind, signer)
  return encodeMany(parsed.body, parsed.payload, [...others, mine])
}

/**
 * Checks the size, then the form of an envelope: tag, protected headers, kind, no key twice, nothing unsigned beside the signatures. Throws
 * `bytes-too-long`, `bytes-malformed`, `envelope-malformed`, `envelope-kind`. Verifies nothing.
 */
export function openEnvelope(envelope: Uint8Array, kind: EnvelopeKind, maxBytes: number): OpenedEnvelope {
  const { form, body, payload, parts } = parseEnvelope(envelope, contentType(kind), maxBytes)
  return {
    unverifiedPayload: payload,
    signatures: parts.map(({ header, kid, signature }) => ({
      kid,
      verifies: (publicKey, crypto) =>
        bytesEqual(kid, keyId(publicKey, crypto)) &&
        crypto.verify(
          publicKey,
          form === 'sign1' ? toBeSignedOne(body, payload, kind) : toBeSignedPart(body, header, payload, kind),
          signature,
        ),
    })),
  }
}

/**
 * The payload, if at least `role.threshold` different keys of the role have signed it. Signatures by other keys are passed over: while keys are
 * being replaced, both sides sign. `roleName` and `kind` are for the error. Throws `threshold-not-met`, or `signature-invalid` where a key of the role has
 * a signature that doesn't verify, and what `openEnvelope` throws.
 */
export function verifyThreshold(
  envelope: OpenedEnvelope,
  kind: EnvelopeKind,
  role: Role,
  roleName: string,
  crypto: Crypto,
): Uint8Array {
  const { valid, invalid } = signaturesBy(envelope, role, crypto)
  const signed = valid.length
  if (signed >= role.threshold) return envelope.unverifiedPayload
  const found = `${signed} of the ${role.threshold} signatures that it needs by the ${roleName} role`
  if (invalid.length > 0) {
    throw new HyphaError(
      'signature-invalid',
      `The ${kind} has ${found}; not valid: by key ${invalid.map(toHex).join(', ')}`,
    )
  }
  throw new HyphaError('threshold-not-met', `The ${kind} has ${found}`)
}

/** Ids of the role's keys that have signed, each key once, and of those whose signature doesn't verify. */
export function signaturesBy(
  envelope: OpenedEnvelope,
  role: Role,
  crypto: Crypto,
): { readonly valid: readonly Uint8Array[]; readonly invalid: readonly Uint8Array[] } {
  const keys = new Map(role.keys.map((key) => [toHex(key), { key, kid: keyId(key, crypto) }]))
  const valid: Uint8Array[] = []
  const invalid: Uint8Array[] = []
  for (const { key, kid } of keys.values()) {
    const signature = envelope.signatures.find((candidate) => bytesEqual(candidate.kid, kid))
    if (!signature) continue
    ;(signature.verifies(key, crypto) ? valid : invalid).push(kid)
  }
  return { valid, invalid }
}

/**
 * The envelope with the signatures that another one has over the same payload by keys of the role; a signature that the role's key made takes the place of one under its id
 * that didn't verify. Signatures by other keys stay, as long as there is room: while keys are being replaced, some nodes still know the former ones. Answers the very envelope
 * where nothing is new. Throws `envelope-malformed` where the payloads differ, and what `openEnvelope` throws.
 */
export function mergeSignatures(
  envelope: Uint8Array,
  other: Uint8Array,
  { kind, role, maxBytes, crypto }: { kind: EnvelopeKind; role: Role; maxBytes: number; crypto: Crypto },
): Uint8Array {
  const [mine, theirs] = [envelope, other].map((each) => parseEnvelope(each, contentType(kind), maxBytes)) as [
    ReturnType<typeof parseEnvelope>,
    ReturnType<typeof parseEnvelope>,
  ]
  const alike = mine.form === 'sign' && theirs.form === 'sign' && bytesEqual(mine.body, theirs.body)
  if (!alike || !bytesEqual(mine.payload, theirs.payload)) {
    throw new HyphaError('envelope-malformed', `The two envelopes are not of the same ${kind}`)
  }
  const byRole = (bytes: Uint8Array) =>
    new Set(signaturesBy(openEnvelope(bytes, kind, maxBytes), role, crypto).valid.map(toHex))
  const [signed, added] = [byRole(envelope), byRole(other)]
  const fresh = theirs.parts.filter(({ kid }) => added.has(toHex(kid)) && !signed.has(toHex(kid)))
  if (fresh.length === 0) return envelope
  const stay = mine.parts.filter(({ kid }) => !fresh.some((part) => bytesEqual(part.kid, kid)))
  const own = stay.filter(({ kid }) => signed.has(toHex(kid)))
  const others = stay.filter((part) => !own.includes(part))
  const room = maxSignatures - own.length - fresh.length
  return encodeMany(mine.body, mine.payload, [...others.slice(0, room), ...own, ...fresh])
}

function signPart(body: Uint8Array, payload: Uint8Array, kind: EnvelopeKind, signer: Signer) {
  const header = encodeCbor(
    new Map<number, unknown>([
      [headers.algorithm, algorithm.eddsa],
      [headers.kid, signer.kid],
    ]),
  )
  return { header, kid: signer.kid, signature: signer.sign(toBeSignedPart(body, header, payload, kind)) }
}

function encodeMany(
  body: Uint8Array,
  payload: Uint8Array,
  parts: readonly { header: Uint8Array; kid: Uint8Array; signature: Uint8Array }[],
): Uint8Array<ArrayBuffer> {
  const kids = new Set(parts.map((part) => toHex(part.kid)))
  if (parts.length === 0 || parts.length > maxSignatures || kids.size !== parts.length) {
    throw new HyphaError('envelope-malformed', `An envelope has 1 to ${maxSignatures} signatures, each by another key`)
  }
  const signatures = parts.map(({ header, signature }) => [header, new Map(), signature])
  return encodeCbor(tagged(tags.sign, [body, new Map(), payload, signatures]))
}

/** RFC 9052, 4.4: what is signed in a COSE_Sign1. */
const toBeSignedOne = (body: Uint8Array, payload: Uint8Array, kind: EnvelopeKind) =>
  encodeCbor(['Signature1', body, context(kind), payload])

/** RFC 9052, 4.4: what one signer of a COSE_Sign signs. */
const toBeSignedPart = (body: Uint8Array, header: Uint8Array, payload: Uint8Array, kind: EnvelopeKind) =>
  encodeCbor(['Signature', body, header, context(kind), payload])
