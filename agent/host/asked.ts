import type { AskedInterface, HostContext, HostFunctions } from './host.ts'

/** Functions that are answered on the agent's own thread, by its drivers: the module waits. */
const asked: Readonly<Record<AskedInterface, readonly string[]>> = {
  sensor: ['read', 'names'],
  actuator: ['set', 'names'],
  http: ['send'],
  sql: ['query', 'execute'],
}

/** `hypha:host/sensor`, `actuator`, `http` and `sql`. */
export function askedFunctions(context: HostContext, name: AskedInterface): HostFunctions {
  return Object.fromEntries(
    asked[name].map((func) => [func, (...args: unknown[]) => context.ask({ interface: name, func, args })]),
  )
}
