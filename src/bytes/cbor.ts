// This form of it has neither generated code nor a native addon: one decoder for bytes from strangers everywhere, and a third of the time to load.
import { Decoder, Encoder, Tag } from 'cbor-x/index-no-eval'
import { HyphaError } from '../errors.ts'
import { ByteReader } from './reader.ts'
import { fromUtf8 } from './text.ts'

const options = {
  mapsAsObjects: false,
  useRecords: false,
  tagUint8Array: false,
  variableMapSize: true,
  int64AsNumber: true,
  copyBuffers: true,
} as const

const encoder = new Encoder(options)
const decoder = new Decoder(options)

const maxDepth = 16

/**
 * Encodes one item (RFC 8949). Maps are `Map`s, byte strings `Uint8Array`s. An integer beyond 32 bits must be a bigint,
 * else it is written as a float.
 */
export function encodeCbor(item: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encoder.encode(item))
}

/** An item under a tag (RFC 8949, 3.4), for `encodeCbor`. */
export function tagged(tag: number, item: unknown): unknown {
  return new Tag(item, tag)
}

/** The tag and the item under it, of something that `decodeCbor` answered; null where it has no tag. */
export function untag(item: unknown): { readonly tag: number; readonly item: unknown } | null {
  return item instanceof Tag ? { tag: item.tag, item: item.value } : null
}

/**
 * Decodes exactly one item. Refused are bytes after it, indefinite lengths, tags other than `allowedTag`, nesting deeper than 16, text that is not
 * UTF-8, and maps with a key twice: two readers could take them for different things (RFC 8949, 5.6). `what` names the thing in the error. [P 2.1]
 */
export function decodeCbor(bytes: Uint8Array, what: string, allowedTag?: number): unknown {
  const reader = new ByteReader(bytes, what)
  checkItem(reader, allowedTag, 0)
  if (!reader.done) throw reader.fail(`${reader.left} bytes follow the CBOR item`)
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new HyphaError('bytes-malformed', `${what}: not a CBOR item that Hypha reads`, { cause })
  }
}

/**
 * Walks one item as RFC 8949, appendix C does, before anything is allocated: each array and map has at most as many items as bytes
 * are left, so that five hostile bytes can't announce four billion items.
 */
function checkItem(reader: ByteReader, allowedTag: number | undefined, depth: number): void {
  if (depth > maxDepth) throw reader.fail(`CBOR is nested deeper than ${maxDepth}`)
  const first = reader.u8()
  const major = first >> 5
  const argument = readArgument(reader, first & 0x1f)
  switch (major) {
    case 2:
      reader.skip(argument)
      return
    case 3:
      checkText(reader, argument)
      return
    case 4:
      checkRoom(reader, argument)
      for (let index = 0; index < argument; index++) checkItem(reader, allowedTag, depth + 1)
      return
    case 5: {
      checkRoom(reader, argument * 2)
      const keys: MapKeys = { small: 0, others: null }
      for (let index = 0; index < argument; index++) {
        checkKey(reader, keys)
        checkItem(reader, allowedTag, depth + 1)
      }
      return
    }
    case 6:
      if (argument !== allowedTag) throw reader.fail(`CBOR tag ${argument} is not expected here`)
      checkItem(reader, allowedTag, depth + 1)
      return
    default:
      return
  }
}

function checkRoom(reader: ByteReader, items: number): void {
  if (items > reader.left)
    throw reader.fail(`${items} items are announced, ${reader.left} bytes are left`, 'bytes-truncated')
}

/** Nearly all text is ASCII, which needs no decoding to be judged. */
function checkText(reader: ByteReader, length: number): void {
  const bytes = reader.take(length)
  if (bytes.some((byte) => byte > 127)) fromUtf8(bytes)
}

/** The keys of one map so far: those from 0 to 23 as bits. */
interface MapKeys {
  small: number
  others: Set<string> | null
}

/** A key of a map: a whole number or text, and not there yet. */
function checkKey(reader: ByteReader, keys: MapKeys): void {
  const at = reader.at
  const first = reader.u8()
  const major = first >> 5
  if (major !== 0 && major !== 1 && major !== 3) throw reader.fail('a key of a CBOR map is neither a number nor text')
  const argument = readArgument(reader, first & 0x1f)
  let fresh: boolean
  if (major === 0 && argument < 24) {
    fresh = (keys.small & (1 << argument)) === 0
    keys.small |= 1 << argument
  } else {
    const key = major === 3 ? `"${fromUtf8(reader.take(argument))}` : `${major} ${argument}`
    keys.others ??= new Set()
    fresh = !keys.others.has(key)
    keys.others.add(key)
  }
  if (!fresh) throw reader.fail('a CBOR map has a key twice', 'bytes-malformed', at)
}

function readArgument(reader: ByteReader, info: number): number {
  if (info < 24) return info
  if (info === 24) return reader.u8()
  if (info > 27) throw reader.fail('CBOR of indefinite length is not accepted')
  let argument = 0
  for (let count = 2 ** (info - 24); count > 0; count--) argument = argument * 256 + reader.u8()
  return argument
}
