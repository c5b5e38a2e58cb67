/** Whatever carries bytes both ways and may go away: a serial port, or what a test puts in its place. */
export interface BytePort {
  /** Resolves when the bytes are the machine's; rejects when the port has gone. */
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}

export interface BytePortEvents {
  onBytes(bytes: Uint8Array): void
  /** Once, with why; nothing comes after it. Not after `close`. */
  onGone(why: string): void
}
