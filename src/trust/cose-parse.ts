import { decodeCbor, untag } from '../bytes/cbor.ts'
import { toHex } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'

/** RFC 9052, 4.1 and 4.2. */
export const tags = { sign1: 18, sign: 98 } as const
/** RFC 9052, 3.1. */
export const headers = { algorithm: 1, critical: 2, contentType: 3, kid: 4 } as const
/** RFC 9053, 2.2. */
export const algorithm = { eddsa: -8 } as const
export const kidBytes = 8
export const maxSignatures = 16

const signatureBytes = 64
const maxHeaderBytes = 256

interface ParsedPart {
  /** The protected header as received: what was signed is these bytes, never a second encoding of them. */
  readonly header: Uint8Array
  readonly kid: Uint8Array
  readonly signature: Uint8Array
}

interface ParsedEnvelope {
  readonly form: 'sign1' | 'sign'
  /** The protected header of the body, as received. */
  readonly body: Uint8Array
  readonly payload: Uint8Array
  readonly parts: readonly ParsedPart[]
}

const malformed = (message: string) => new HyphaError('envelope-malformed', message)

/**
 * Reads the form of a tagged COSE_Sign1 or COSE_Sign. Hypha accepts less than RFC 9052 allows: nothing in unprotected headers, since whatever isn't
 * signed could only mislead; an embedded payload; EdDSA alone; and a key once.
 */
export function parseEnvelope(envelope: Uint8Array, contentType: string, maxBytes: number): ParsedEnvelope {
  if (envelope.length > maxBytes) {
    throw new HyphaError('bytes-too-long', `The envelope has ${envelope.length} bytes, at most ${maxBytes} are allowed`)
  }
  const tag = envelope[0] === 0xd2 ? tags.sign1 : tags.sign
  const form = tag === tags.sign1 ? 'sign1' : 'sign'
  const tagged = untag(decodeCbor(envelope, 'envelope', tag))
  const fields = tagged?.item
  if (!Array.isArray(fields) || fields.length !== 4) throw malformed('It is no tagged COSE_Sign1 or COSE_Sign')
  const [body, unprotected, payload, rest] = fields as unknown[]
  checkUnprotected(unprotected)
  if (!(payload instanceof Uint8Array)) throw malformed('The envelope has no embedded payload')

  const labels = form === 'sign1' ? [headers.algorithm, headers.contentType, headers.kid] : [headers.contentType]
  const bodyHeader = readHeader(body, labels)
  if (bodyHeader.map.get(headers.contentType) !== contentType) {
    throw new HyphaError('envelope-kind', `The envelope is not of the type ${contentType}`)
  }
  const parts =
    form === 'sign1' ? [readPart(bodyHeader, rest)] : readParts(rest).map((part) => readSignatureFields(part))
  if (new Set(parts.map((part) => toHex(part.kid))).size !== parts.length) {
    throw malformed('The envelope has two signatures by one key')
  }
  return { form, body: bodyHeader.bytes, payload, parts }
}

function readParts(rest: unknown): unknown[] {
  if (!Array.isArray(rest) || rest.length === 0 || rest.length > maxSignatures) {
    throw malformed(`The envelope should have 1 to ${maxSignatures} signatures`)
  }
  return rest
}

function readSignatureFields(part: unknown): ParsedPart {
  if (!Array.isArray(part) || part.length !== 3) throw malformed('A signature is not made of three fields')
  const [header, unprotected, signature] = part as unknown[]
  checkUnprotected(unprotected)
  return readPart(readHeader(header, [headers.algorithm, headers.kid]), signature)
}

interface Header {
  readonly bytes: Uint8Array
  readonly map: ReadonlyMap<unknown, unknown>
}

/** `labels`: what the header must have, and all that it may. Any other label is refused, so an unknown critical one is too (RFC 9052, 3.1). */
function readHeader(header: unknown, labels: readonly number[]): Header {
  if (!(header instanceof Uint8Array) || header.length > maxHeaderBytes) {
    throw malformed(`A protected header should be at most ${maxHeaderBytes} bytes`)
  }
  const map = decodeCbor(header, 'protected header')
  if (!(map instanceof Map) || map.size !== labels.length) {
    throw malformed(`A protected header should have exactly the labels ${labels.join(', ')}`)
  }
  const missing = labels.find((label) => !map.has(label))
  if (missing !== undefined) throw malformed(`A protected header lacks the label ${missing}`)
  return { bytes: header, map }
}

function readPart(header: Header, signature: unknown): ParsedPart {
  if (header.map.get(headers.algorithm) !== algorithm.eddsa) throw malformed('A signature is not by EdDSA')
  const kid = header.map.get(headers.kid)
  if (!(kid instanceof Uint8Array) || kid.length !== kidBytes) throw malformed(`A key id should have ${kidBytes} bytes`)
  if (!(signature instanceof Uint8Array) || signature.length !== signatureBytes) {
    throw malformed(`A signature should have ${signatureBytes} bytes`)
  }
  return { header: header.bytes, kid, signature }
}

function checkUnprotected(unprotected: unknown): void {
  if (!(unprotected instanceof Map) || unprotected.size !== 0) {
    throw malformed('The envelope has unprotected headers; Hypha signs all that it says')
  }
}
