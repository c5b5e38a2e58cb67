import { HyphaError } from '@hypha/core/errors.ts'
import { SerialPort } from 'serialport'
import type { BytePort, BytePortEvents } from '../session/byte-port.ts'

// The one place of serialport.

/** Opens a serial port, a pseudo-terminal included, for this process alone: 8 data bits, no parity, 1 stop bit. Throws `serial-port-failed`. */
export async function openSerialPort(path: string, baudRate: number, on: BytePortEvents): Promise<BytePort> {
  const port = new SerialPort({ path, baudRate, autoOpen: false })
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error === null || error === undefined ? resolve() : reject(failure(path, error))))
  })
  let over = false
  const gone = (why: string) => {
    if (over) return
    over = true
    on.onGone(why)
  }
  port.on('data', (bytes: Uint8Array) => {
    if (!over) on.onBytes(bytes)
  })
  port.on('error', (error: Error) => gone(error.message))
  port.on('close', (error: Error | null | undefined) => gone(error?.message ?? 'it was closed'))
  return {
    write: (bytes) =>
      new Promise<void>((resolve, reject) => {
        port.write(bytes, (error) => (error === null || error === undefined ? resolve() : reject(error)))
      }),
    close: () =>
      new Promise<void>((resolve) => {
        over = true
        if (port.isOpen) port.close(() => resolve())
        else resolve()
      }),
  }
}

function failure(path: string, error: Error): HyphaError {
  const lacksRight = /permission denied/i.test(error.message)
  return new HyphaError('serial-port-failed', `${path} can't be opened: ${error.message}`, {
    cause: error,
    ...(lacksRight
      ? {
          mend: 'Add the user that runs the agent to the group that owns the port (dialout on Debian), and log in again.',
        }
      : {}),
  })
}
