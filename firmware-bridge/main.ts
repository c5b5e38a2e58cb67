import { rmSync } from 'node:fs'
import { exit, stdout } from 'node:process'
import { HyphaError } from '@hypha/core/errors.ts'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { endWithError, parseCommandLine } from '@hypha/core/platform/command-line.ts'
import { AgentPort } from './agent-port/server.ts'
import type { BridgeEvent } from './boards/bridge.ts'
import { defaultBaudRate, openBridge, type PortStatus } from './index.ts'
import { usualPorts } from './link/ports.ts'

const help = `hypha-bridge: speaks to the microcontrollers on this machine's serial ports

  hypha-bridge ls             the boards that are connected, after two seconds of listening
  hypha-bridge watch          what happens on the ports, until Ctrl-C
  hypha-bridge read BOARD SENSOR    one value of a board's sensor
  hypha-bridge serve SOCKET   the agent's side: a Unix socket; prints "ready" (started by hypha-agent run --serial)

Options
  --port PATH    a serial port; the last part may have * in it; may be given several times
                 (default: ${usualPorts.join(' and ')})
  --baud RATE    default ${defaultBaudRate}
  --while PID    serve: ends with this process
  --json         machine-readable output, one object a line
  --help         this text

Example
  hypha-bridge ls --port '/dev/ttyUSB*'

Only one program can have a port: end the agent before you use this by hand.
Exit codes: 0 done, 2 wrong call, 4 the operator must act, 5 try again later; docs/errors.md has them all.
`

const options = {
  port: { type: 'string', multiple: true },
  baud: { type: 'string', default: String(defaultBaudRate) },
  while: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

/** Boards answer within milliseconds, and say hello by themselves every five seconds at the latest. */
const listenMs = 2_000
const parentCheckMs = 1_000

interface Settings {
  readonly ports: readonly string[]
  readonly baudRate: number
  readonly json: boolean
}

async function main(): Promise<void> {
  const { values, positionals } = parseCommandLine('hypha-bridge', options)
  const [command, ...rest] = positionals
  if (values.help || command === undefined) {
    stdout.write(help)
    return
  }
  const baudRate = Number(values.baud)
  if (!Number.isInteger(baudRate) || baudRate < 300 || baudRate > 12_000_000) {
    throw new HyphaError('argument-invalid', `--baud should be a rate from 300 to 12000000, not "${values.baud}"`)
  }
  const settings: Settings = { ports: values.port ?? usualPorts, baudRate, json: values.json }
  const wants = { ls: 0, watch: 0, read: 2, serve: 1 }[command]
  if (wants === undefined) {
    throw new HyphaError('argument-invalid', `"${command}" is no command of hypha-bridge`, {
      mend: 'See hypha-bridge --help.',
    })
  }
  if (rest.length !== wants) {
    throw new HyphaError('argument-invalid', `${command} takes ${wants} argument${wants === 1 ? '' : 's'}`, {
      mend: 'See hypha-bridge --help.',
    })
  }
  if (command === 'ls') await list(settings)
  else if (command === 'read') await read(settings, rest[0]!, rest[1]!)
  else if (command === 'watch') watch(settings)
  else serve(settings, rest[0]!, values.while === undefined ? null : Number(values.while))
}

const listening = (): Promise<void> => new Promise((resolve) => systemClock.after(listenMs, resolve))

async function list({ json, ...settings }: Settings): Promise<void> {
  const failed: string[] = []
  const bridge = openBridge({
    ...settings,
    on: (event) => {
      if (event.kind === 'port' && event.status === 'failed') failed.push(event.message ?? event.path)
    },
  })
  await listening()
  const silent = bridge.lines().filter(({ board }) => board === null)
  const rows = bridge.boards().map(({ id, path, identify, state }) => ({
    board: id,
    path,
    hardware: identify.hardware,
    firmware: identify.firmware,
    fleet: identify.fleet,
    memoryBytes: identify.memoryBytes,
    slotBytes: identify.slotBytes,
    running: state?.running.length ?? null,
  }))
  await bridge.close()
  if (json) {
    stdout.write(`${JSON.stringify({ boards: rows, silent: silent.map(({ path }) => path), failed })}\n`)
    return
  }
  for (const row of rows) {
    const fleet = row.fleet === null ? 'no fleet' : `fleet ${row.fleet}`
    stdout.write(
      `${row.board}  ${row.path}  ${row.hardware}, firmware ${row.firmware}, ${fleet}, ${row.memoryBytes} bytes for a module, slots of ${row.slotBytes}\n`,
    )
  }
  for (const line of silent) stdout.write(`${line.path}: ${silence(line)}\n`)
  for (const message of failed) stdout.write(`${message}\n`)
  if (rows.length + silent.length + failed.length === 0) {
    stdout.write(`There is no port such as ${settings.ports.join(' or ')}. Name one with --port.\n`)
  }
}

/** What is known of a port on which no board has identified itself. */
function silence({ counters, malformed }: PortStatus): string {
  if (counters.bytesIn === 0) return 'nothing was heard'
  if (malformed > 0)
    return 'a board is there, and what it says of itself cannot be read: was an id burnt into its firmware?'
  if (counters.openings > 0) return 'the wire is open, and no board has said who it is'
  return `${counters.bytesIn} bytes came, none of them of a board: is the baud rate right?`
}

async function read({ json, ...settings }: Settings, id: string, sensor: string): Promise<void> {
  const bridge = openBridge({ ...settings, on: () => undefined })
  try {
    await listening()
    const answer = await bridge.board(id).call(sensor, null)
    if (answer.outcome !== 'ok') throw new HyphaError('board-away', `${id} answers for "${sensor}": ${answer.outcome}`)
    stdout.write(json ? `${JSON.stringify({ board: id, sensor, value: answer.value })}\n` : `${answer.value}\n`)
  } finally {
    await bridge.close()
  }
}

function watch({ json, ...settings }: Settings): void {
  const line = (event: BridgeEvent) => {
    const shown = show(event)
    stdout.write(json ? `${JSON.stringify(shown)}\n` : `${Object.values(shown).filter(Boolean).join('  ')}\n`)
  }
  openBridge({ ...settings, on: line })
}

/** An event as words. */
function show(event: BridgeEvent): Readonly<Record<string, string | null>> {
  if (event.kind === 'port') return { event: `port ${event.status}`, path: event.path, message: event.message }
  const { board } = event
  const at = { board: board.id, path: board.path }
  if (event.kind === 'left') return { event: 'left', ...at, message: event.why }
  if (event.kind === 'impostor') return { event: 'impostor', board: board.id, path: event.path }
  if (event.kind !== 'said') return { event: event.kind, ...at, message: `firmware ${board.identify.firmware}` }
  const { message } = event
  if (message.kind === 'refused') return { event: 'refused', ...at, message: `${message.of}: ${message.code}` }
  return { event: message.kind, ...at }
}

function serve({ ports, baudRate }: Settings, socketPath: string, agent: number | null): void {
  // Of one that was killed, its socket is left.
  rmSync(socketPath, { force: true })
  const bridge = openBridge({ ports, baudRate, on: (event) => port.heard(event) })
  const endWith = (code: number) => {
    // The port is left open till this process ends: closing it would remove the socket at its path, which is that of the bridge of a newer agent by now.
    bridge.close().then(
      () => exit(code),
      () => exit(1),
    )
  }
  const end = () => endWith(0)
  const port: AgentPort = new AgentPort(bridge, socketPath, { ready: () => stdout.write('ready\n'), stop: end })
  process.title = `hypha-bridge ${socketPath}`
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => endWith(1))
  // Whoever started it reads only the first line.
  stdout.on('error', () => undefined)
  endWithAgent(agent, end)
}

/** The agent may be killed at any moment: its end shows in that it isn't there any more, or that this process gets another parent. */
function endWithAgent(agent: number | null, end: () => void): void {
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent || (agent !== null && !isRunning(agent))) end()
  }, parentCheckMs)
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Somebody else's is there too.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

try {
  await main()
} catch (thrown) {
  endWithError('hypha-bridge', thrown)
}
