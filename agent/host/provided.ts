import { decideWasi } from '@hypha/core/wasm/wasi.ts'

const named = (name: string): string => `hypha:host/${name}@0.1.0`

/** Host interfaces that every node provides: they need nothing of its machine. */
export const everyNodesInterfaces: readonly string[] = [
  'clock',
  'config',
  'kv',
  'links',
  'log',
  'messages',
  'telemetry',
].map(named)

/** Host interfaces that a node provides where its file says so. */
export const boundInterfaces = {
  sensor: named('sensor'),
  actuator: named('actuator'),
  http: named('http'),
  sql: named('sql'),
} as const

const known: ReadonlySet<string> = new Set([...everyNodesInterfaces, ...Object.values(boundInterfaces)])

/** Whether an agent has something that stands for an import of this name. */
export const servedByHost = (name: string): boolean => known.has(name) || decideWasi(name)?.satisfied === true
