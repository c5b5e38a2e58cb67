/** PUBLISH with QoS 0, neither retained nor a duplicate (MQTT 3.1.1, 2.2). */
const publish = 0x30

/** The bytes of such a PUBLISH, in one piece: what is written at once is one record of TLS and one segment of TCP. */
export function publishFrame(topic: string, payload: Uint8Array): Buffer {
  const topicBytes = Buffer.byteLength(topic)
  const rest = 2 + topicBytes + payload.length
  const header = [publish]
  // Seven bits a byte, the lowest first; the eighth says that more follow (MQTT 3.1.1, 2.2.3).
  for (let left = rest; left > 0; left >>>= 7) header.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0))
  const frame = Buffer.allocUnsafe(header.length + rest)
  frame.set(header)
  let at = frame.writeUInt16BE(topicBytes, header.length)
  at += frame.write(topic, at)
  frame.set(payload, at)
  return frame
}
