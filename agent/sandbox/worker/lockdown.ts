import { registerHooks } from 'node:module'

function refuse(what: string): never {
  throw new Error(`${what} is closed in a cell`)
}

const doors = [
  'binding',
  '_linkedBinding',
  'dlopen',
  'getBuiltinModule',
  'kill',
  'abort',
  'chdir',
  'execve',
  'loadEnvFile',
] as const
const globals = [
  'fetch',
  'WebSocket',
  'EventSource',
  'XMLHttpRequest',
  'Worker',
  'BroadcastChannel',
  'require',
] as const

/**
 * Closes what the permission model leaves open in a worker: sockets, databases and signals can't be reached once nothing more is imported.
 * Modules are WebAssembly and see none of this anyway; it is for the day when one finds a way out into the engine's JavaScript.
 * Called last in the worker's start, when all that it needs has been loaded.
 */
export function lockDown(): void {
  registerHooks({
    resolve: (specifier) => refuse(`import of ${specifier}`),
    load: (url) => refuse(`import of ${url}`),
  })
  for (const name of doors) {
    Object.defineProperty(process, name, {
      value: () => refuse(`process.${name}`),
      writable: false,
      configurable: false,
    })
  }
  for (const name of globals) {
    // Deleted first: to redefine it, Node would load what is to be closed, which costs each worker 20 ms and the memory for an HTTP client.
    Reflect.deleteProperty(globalThis, name)
    Object.defineProperty(globalThis, name, { value: undefined, writable: false, configurable: false })
  }
}
