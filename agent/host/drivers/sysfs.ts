import { readFile } from 'node:fs/promises'
import type { SensorBinding } from '../node-file.ts'
import { DriverError, type SensorDriver, within } from './driver.ts'

/** Some devices answer through a slow bus: the wait must not stop the agent's thread, so the file is read in the background. */
const timeoutMs = 2_000

/** A file of the kernel: `/sys/class/thermal`, hwmon, iio, `/proc/loadavg`. */
export function sysfsSensor(binding: Extract<SensorBinding, { driver: 'sysfs' }>): SensorDriver {
  const { path, field } = binding
  return {
    async read(leftMs) {
      const reading = readFile(path, 'utf8').catch((cause) => {
        throw new DriverError('unavailable', `${path} can't be read: ${(cause as Error).message}`, cause)
      })
      const text = await within(Math.min(timeoutMs, leftMs), path, reading)
      const word = text.trim().split(/\s+/)[field] ?? ''
      const value = Number(word)
      if (word === '' || !Number.isFinite(value)) {
        throw new DriverError('unavailable', `field ${field} of ${path} is no number: "${word.slice(0, 40)}"`)
      }
      return value
    },
    close() {
      // Nothing is held open.
    },
  }
}
