import type { Socket } from 'node:net'

// The first record of a TLS connection (RFC 8446, 4.1.2 and 5.1), read as far as the gateway must before it spends anything on a stranger. OpenSSL reads it again,
// and judges it: nothing here is trusted.

const recordHeaderBytes = 5
const handshakeRecord = 22
const clientHello = 1
const maxRecordBytes = 16_384
const preSharedKey = 41
/** OpenSSL begins a ticket with the name of the key that it is under (RFC 5077, 4). */
export const ticketNameBytes = 16

/**
 * Bytes of the first record with its header, from at least its first five bytes; null if this can't be the start of a TLS connection.
 */
export function firstRecordBytes(start: Uint8Array): number | null {
  const [type, major, , high, low] = start
  if (type !== handshakeRecord || major !== 3) return null
  const length = high! * 256 + low!
  return length === 0 || length > maxRecordBytes ? null : recordHeaderBytes + length
}

/**
 * Calls back with the first record once all of it has come, or with null when it can't be one. What was read is put back, for TLS to read again. Not more is gathered than
 * what the socket takes in one go beyond a record's end.
 */
export function awaitHello(socket: Socket, onHello: (record: Buffer | null) => void): void {
  const pieces: Buffer[] = []
  let [size, needed]: [number, number | null] = [0, null]
  const read = () => socket.read() as Buffer | null
  const onReadable = () => {
    for (let piece = read(); piece !== null; piece = read()) {
      pieces.push(piece)
      size += piece.length
    }
    if (size < recordHeaderBytes || size < (needed ?? 0)) return
    const bytes = Buffer.concat(pieces)
    needed ??= firstRecordBytes(bytes)
    if (needed !== null && size < needed) return
    socket.off('readable', onReadable)
    if (needed !== null) socket.unshift(bytes)
    onHello(needed === null ? null : bytes)
  }
  socket.on('readable', onReadable)
}

/** The name of the ticket key, in hex, of the first session that a ClientHello offers to resume; null where it offers none, or can't be read. */
export function ticketNameOf(record: Uint8Array): string | null {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength)
  try {
    return readTicketName(bytes)
  } catch (error) {
    // Lengths that point beyond the end.
    if (error instanceof RangeError) return null
    throw error
  }
}

function readTicketName(bytes: Buffer): string | null {
  let at = recordHeaderBytes
  if (bytes.readUInt8(at) !== clientHello) return null
  // Type, length, version and random; then three lists behind their lengths: session id, cipher suites, compression methods.
  at += 4 + 2 + 32
  at += 1 + bytes.readUInt8(at)
  at += 2 + bytes.readUInt16BE(at)
  at += 1 + bytes.readUInt8(at)
  const end = at + 2 + bytes.readUInt16BE(at)
  at += 2
  while (at < end) {
    const type = bytes.readUInt16BE(at)
    const length = bytes.readUInt16BE(at + 2)
    at += 4
    if (type === preSharedKey) return firstIdentity(bytes.subarray(at, at + length))
    at += length
  }
  return null
}

function firstIdentity(extension: Buffer): string | null {
  const length = extension.readUInt16BE(2)
  const identity = extension.subarray(4, 4 + length)
  return identity.length < ticketNameBytes ? null : identity.toString('hex', 0, ticketNameBytes)
}
