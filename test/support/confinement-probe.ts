import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { lockDown } from '../../agent/sandbox/worker/lockdown.ts'

// Plain JavaScript in a worker that was started as a cell's is, after the same closing of doors: what would a module find that had broken out of its
// WebAssembly into the engine? Answers each attempt with "refused" or "done".

const { confined, folder } = workerData as { confined: boolean; folder: string }
const require = createRequire(import.meta.url)
const program = 'data:text/javascript,export default 1'

const attempts: Record<string, () => unknown> = {
  'read a file': () => import('node:fs').then(({ readFileSync }) => readFileSync('/proc/version')),
  'require the file system': () => require('node:fs').readFileSync('/proc/version'),
  'write a file': () => import('node:fs').then(({ writeFileSync }) => writeFileSync(join(folder, 'file'), '')),
  'start a process': () => import('node:child_process').then(({ execFileSync }) => execFileSync('true')),
  'open a socket': () => import('node:net').then(({ createServer }) => createServer().close()),
  'open a socket by getBuiltinModule': () => process.getBuiltinModule('node:net').createServer().close(),
  'send a datagram': () => import('node:dgram').then(({ createSocket }) => createSocket('udp4').close()),
  'open a database': () =>
    import('node:sqlite').then(({ DatabaseSync }) => new DatabaseSync(join(folder, 'db')).close()),
  'start a worker without the permission model': () => new Worker('', { eval: true, execArgv: [] }).terminate(),
  'signal the agent': () => process.kill(process.pid, 0),
  'import code from a text': () => import(program),
  'import by a function from a text': () => new Function('return import("node:net")')(),
  'use fetch': () => fetch('data:,'),
  'use WebSocket': () => new WebSocket('ws://127.0.0.1:1/').addEventListener('error', () => undefined),
}

if (confined) lockDown()
const outcomes: Record<string, string> = {}
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    await attempt()
    outcomes[name] = 'done'
  } catch {
    outcomes[name] = 'refused'
  }
}
parentPort!.postMessage(outcomes)
