import type { Client } from 'aedes'

interface Parser {
  packet: { length: number }
  _parseLength(): boolean
  _emitError(error: Error): false
}

/**
 * Ends a connection when a packet announces more than `maxBytes`, before any of it is gathered. aedes has no such limit and MQTT allows 256 MiB,
 * so this steps into its parser behind the length field; a test holds it to that.
 */
export function limitPackets(client: Client, maxBytes: number): void {
  const parser = (client as unknown as { _parser: Parser })._parser
  const parseLength = parser._parseLength
  parser._parseLength = function limited(this: Parser) {
    const known = parseLength.call(this)
    if (known && this.packet.length > maxBytes) {
      return this._emitError(new Error(`a packet of ${this.packet.length} bytes, at most ${maxBytes} are allowed`))
    }
    return known
  }
}
