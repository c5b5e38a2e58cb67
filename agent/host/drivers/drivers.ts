import { isAbsolute, join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { HelperClient } from '../helper-client.ts'
import { err, type HostCall, ok } from '../host.ts'
import type { ActuatorBinding, NodeFile, SensorBinding } from '../node-file.ts'
import { commandActuator, commandSensor } from './command.ts'
import { type ActuatorDriver, DriverError, type SensorDriver } from './driver.ts'
import { fileActuator } from './file-actuator.ts'
import { sendHttp } from './http.ts'
import { mqttSensor, type Subscribe } from './mqtt.ts'
import { replaySensor } from './replay.ts'
import { socketActuator, socketSensor } from './socket.ts'
import { openDatabase, removeDatabase, runSql } from './sql.ts'
import { sysfsSensor } from './sysfs.ts'

export interface DriverPorts {
  /** The agent's folder: relative paths in the node's file begin there. */
  readonly home: string
  readonly clock: Clock
  /** Null where no helper was started. */
  readonly helper: HelperClient | null
  /** Null where there is no broker for `mqtt` sensors. */
  readonly subscribe: Subscribe | null
  /** For the agent's log: why a sensor couldn't be read, what an actuator of the driver `log` was set to. */
  note(text: string): void
}

export interface Drivers {
  readonly sensors: readonly string[]
  readonly actuators: readonly string[]
  /** Serves a request of a module: a lifted value, at once or later. Never throws for what the machine does. */
  call(call: HostCall): unknown
  /** Opens what takes its time, for an app that is on its way and imports these interfaces. What goes wrong is told in the log, and to the module that asks. */
  open(app: string, interfaces: ReadonlySet<string>): Promise<void>
  /** Removes what an app's modules have stored on this node. Throws `helper-unreachable`. */
  forget(app: string): Promise<void>
  close(): void
}

const sqlInterface = 'hypha:host/sql@0.1.0'

/** What the node's file binds, ready to be asked. Throws `node-file-invalid` and `helper-unreachable` where a binding needs what isn't there. */
export function createDrivers(nodeFile: NodeFile, ports: DriverPorts): Drivers {
  const sensors = new Map([...nodeFile.sensors].map(([name, binding]) => [name, openSensor(name, binding, ports)]))
  const actuators = new Map(
    [...nodeFile.actuators].map(([name, binding]) => [name, { driver: openActuator(name, binding, ports), binding }]),
  )
  const names = (map: ReadonlyMap<string, unknown>): string[] => [...map.keys()].sort()
  /** A sensor that is read each second and has no cable must not fill the log. */
  const said = new Map<string, string>()
  const fault = (what: string, thrown: unknown): { tag: 'err'; val: unknown } => {
    const { message } = thrown as Error
    if (said.get(what) !== message) ports.note(`${what}: ${message}`)
    said.set(what, message)
    return err(thrown instanceof DriverError ? thrown.fault : 'unavailable')
  }

  function read(name: string, leftMs: number): unknown {
    const driver = sensors.get(name)
    const binding = nodeFile.sensors.get(name)
    if (driver === undefined || binding === undefined) return err('unknown')
    const what = `sensor ${name}`
    const finish = (value: number): unknown => {
      said.delete(what)
      return ok(value * binding.scale + binding.offset)
    }
    try {
      const value = driver.read(leftMs)
      return typeof value === 'number' ? finish(value) : value.then(finish, (thrown) => fault(what, thrown))
    } catch (thrown) {
      return fault(what, thrown)
    }
  }

  async function set(name: string, value: number, call: HostCall): Promise<unknown> {
    const found = actuators.get(name)
    if (found === undefined) return err('unknown')
    const { min, max } = found.binding
    if (!(value >= min && value <= max)) return err('out-of-range')
    try {
      await found.driver.set(value, call.leftMs, call.key)
      said.delete(`actuator ${name}`)
      return ok()
    } catch (thrown) {
      return fault(`actuator ${name}`, thrown)
    }
  }

  return {
    sensors: names(sensors),
    actuators: names(actuators),
    call(call) {
      const { interface: name, func, args } = call
      if (name === 'sensor') return func === 'names' ? names(sensors) : read(String(args[0]), call.leftMs)
      if (name === 'actuator') return func === 'names' ? names(actuators) : set(String(args[0]), Number(args[1]), call)
      if (name === 'http') return nodeFile.http === null ? err({ tag: 'not-granted' }) : sendHttp(nodeFile.http, call)
      if (nodeFile.sql === null || ports.helper === null) return err('this node has no database')
      return runSql(ports.helper, call).catch((thrown) => {
        fault('sql', thrown)
        return err((thrown as Error).message)
      })
    },
    async open(app, interfaces) {
      if (nodeFile.sql === null || ports.helper === null || !interfaces.has(sqlInterface)) return
      await openDatabase(ports.helper, app).catch((thrown) => fault('sql', thrown))
    },
    async forget(app) {
      if (nodeFile.sql !== null && ports.helper !== null) await removeDatabase(ports.helper, app)
    },
    close() {
      for (const driver of sensors.values()) driver.close()
      for (const { driver } of actuators.values()) driver.close()
    },
  }
}

export function openSensor(
  name: string,
  binding: SensorBinding,
  ports: DriverPorts,
  kind: 'sensor' | 'vital' = 'sensor',
): SensorDriver {
  switch (binding.driver) {
    case 'sysfs':
      return sysfsSensor(binding)
    case 'replay':
      return replaySensor(
        binding,
        isAbsolute(binding.file) ? binding.file : join(ports.home, binding.file),
        ports.clock,
      )
    case 'command':
      return commandSensor({ kind, name }, binding, neededHelper(ports, `${kind}.${name}`))
    case 'mqtt':
      if (ports.subscribe === null) {
        throw new HyphaError(
          'node-file-invalid',
          `${kind}.${name}: this agent has no broker that it could subscribe to`,
        )
      }
      return mqttSensor(binding, ports.clock, ports.subscribe)
    case 'socket':
      return socketSensor(name, binding)
  }
}

function openActuator(name: string, binding: ActuatorBinding, ports: DriverPorts): ActuatorDriver {
  switch (binding.driver) {
    case 'file':
      return fileActuator(binding)
    case 'command':
      return commandActuator(name, binding, neededHelper(ports, `actuator.${name}`))
    case 'socket':
      return socketActuator(name, binding)
    case 'log':
      return {
        set: (value) => ports.note(`actuator ${name} is set to ${value}`),
        close() {
          // There is nothing to close.
        },
      }
  }
}

function neededHelper(ports: DriverPorts, who: string): HelperClient {
  if (ports.helper !== null) return ports.helper
  throw new HyphaError('helper-unreachable', `${who} runs a command, which takes the helper, and none was started`)
}
