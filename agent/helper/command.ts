import { execFile } from 'node:child_process'
import type { NodeFile } from '../host/node-file.ts'
import type { VitalName } from '../host/vital-bindings.ts'

const maxOutputBytes = 65_536

function boundTo({ sensors, actuators, vitals }: NodeFile, kind: unknown, name: string) {
  if (kind === 'sensor') return sensors.get(name)
  if (kind === 'actuator') return actuators.get(name)
  return vitals.get(name as VitalName)?.source
}

/** Runs the command that the node's file binds to a name: `{stdout}`, or `{error, fault}` where it failed or took too long. */
export function runCommand(nodeFile: NodeFile, question: Readonly<Record<string, unknown>>): Promise<object> {
  const { kind, name, value } = question
  const bound = boundTo(nodeFile, kind, String(name))
  if (bound?.driver !== 'command') {
    return Promise.resolve({ error: `no command is bound to ${kind} "${name}"`, fault: 'unavailable' })
  }
  const [program = '', ...args] = bound.argv.map((arg) => arg.replaceAll('{value}', String(Number(value))))
  const timeout = Math.max(1, Math.min(bound.timeoutMs, Number(question.timeoutMs) || bound.timeoutMs))
  return new Promise((resolve) => {
    const options = {
      timeout,
      killSignal: 'SIGKILL',
      maxBuffer: maxOutputBytes,
      env: { PATH: process.env.PATH },
    } as const
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve({ stdout })
      const timedOut = error.killed === true && typeof error.code !== 'string'
      const why = timedOut
        ? `did not end within ${timeout} ms`
        : stderr.trim().slice(0, 200) || error.message.slice(0, 200)
      resolve({ error: `${program}: ${why}`, fault: timedOut ? 'timeout' : 'unavailable' })
    })
  })
}
