/** Why a sensor could not be read, or an actuator not be set: as `sensor.wit` and `actuator.wit` have it. */
export type DriverFault = 'unavailable' | 'timeout'

/** Thrown by drivers; `message` says for the agent's log what was wrong. */
export class DriverError extends Error {
  override readonly name = 'DriverError'
  readonly fault: DriverFault

  constructor(fault: DriverFault, message: string, cause?: unknown) {
    super(message, { cause })
    this.fault = fault
  }
}

export interface SensorDriver {
  /** Throws `DriverError`. `leftMs`: so long until the turn's deadline. */
  read(leftMs: number): number | Promise<number>
  close(): void
}

export interface ActuatorDriver {
  /** The value is within the actuator's range. Throws `DriverError`. */
  set(value: number, leftMs: number, key: string): void | Promise<void>
  close(): void
}

/** The first number in a text, such as "temp=48.3'C". Throws `DriverError`. */
export function firstNumber(text: string, what: string): number {
  const match = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/.exec(text)
  if (match === null) throw new DriverError('unavailable', `${what} holds no number: "${text.slice(0, 60)}"`)
  return Number(match[0])
}

/** Ends a wait after `ms`. Throws `DriverError` with `timeout`. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new DriverError('timeout', `${what} did not answer within ${Math.round(ms)} ms`)),
    ms,
  )
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
