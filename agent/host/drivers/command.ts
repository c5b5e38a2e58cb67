import type { HelperClient } from '../helper-client.ts'
import type { ActuatorBinding, SensorBinding } from '../node-file.ts'
import { type ActuatorDriver, DriverError, firstNumber, type SensorDriver } from './driver.ts'

// The agent runs without the permission to start processes. The helper takes the command from the node's file itself: it is told a name, never a
// command.

/** The first number that the command prints. */
export function commandSensor(
  which: { kind: 'sensor' | 'vital'; name: string },
  binding: Extract<SensorBinding, { driver: 'command' }>,
  helper: HelperClient,
): SensorDriver {
  return {
    async read(leftMs) {
      const { stdout } = await run(helper, which, Math.min(binding.timeoutMs, leftMs))
      return firstNumber(stdout, binding.argv[0]!)
    },
    close() {
      // The helper is closed by whoever opened it.
    },
  }
}

/** Done when the command has ended with 0. */
export function commandActuator(
  name: string,
  binding: Extract<ActuatorBinding, { driver: 'command' }>,
  helper: HelperClient,
): ActuatorDriver {
  return {
    async set(value, leftMs) {
      await run(helper, { kind: 'actuator', name, value }, Math.min(binding.timeoutMs, leftMs))
    },
    close() {
      // As above.
    },
  }
}

async function run(
  helper: HelperClient,
  what: { kind: 'sensor' | 'vital'; name: string } | { kind: 'actuator'; name: string; value: number },
  timeoutMs: number,
): Promise<{ stdout: string }> {
  const answer = await helper.request({ op: 'command', ...what, timeoutMs }, timeoutMs)
  if ('stdout' in answer) return { stdout: String(answer.stdout) }
  throw new DriverError(answer.fault === 'timeout' ? 'timeout' : 'unavailable', String(answer.error))
}
