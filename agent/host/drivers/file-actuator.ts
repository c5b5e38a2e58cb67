import { writeFile } from 'node:fs/promises'
import type { ActuatorBinding } from '../node-file.ts'
import { type ActuatorDriver, DriverError, within } from './driver.ts'

const timeoutMs = 2_000

/** Writes the number to a file, as the kernel's GPIO, PWM and LED classes take it. */
export function fileActuator(binding: Extract<ActuatorBinding, { driver: 'file' }>): ActuatorDriver {
  const { path, scale, decimals } = binding
  return {
    async set(value, leftMs) {
      const writing = writeFile(path, `${(value * scale).toFixed(decimals)}\n`).catch((cause) => {
        throw new DriverError('unavailable', `${path} can't be written: ${(cause as Error).message}`, cause)
      })
      await within(Math.min(timeoutMs, leftMs), path, writing)
    },
    close() {
      // Nothing is held open.
    },
  }
}
