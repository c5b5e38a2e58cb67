import { connect, type Socket } from 'node:net'
import type { ActuatorBinding, SensorBinding } from '../node-file.ts'
import { type ActuatorDriver, DriverError, type SensorDriver, within } from './driver.ts'

const maxLineBytes = 1_024

/** A program on a Unix socket that answers each line with a line, in order. The connection is made when it is first needed, and again when it broke. */
class LineSocket {
  readonly #path: string
  #socket: Socket | null = null
  #received = ''
  #waiting: { resolve: (line: string) => void; reject: (error: DriverError) => void }[] = []

  constructor(path: string) {
    this.#path = path
  }

  async ask(line: string, timeoutMs: number): Promise<string> {
    const answer = new Promise<string>((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
    })
    this.#open().write(`${line}\n`)
    try {
      return await within(timeoutMs, this.#path, answer)
    } catch (error) {
      // A late answer would be taken for the next one's.
      this.#fail(error instanceof DriverError ? error : new DriverError('unavailable', String(error)))
      throw error
    }
  }

  close(): void {
    this.#fail(new DriverError('unavailable', `${this.#path} was closed`))
  }

  #open(): Socket {
    if (this.#socket !== null) return this.#socket
    const socket = connect(this.#path)
    this.#socket = socket
    this.#received = ''
    socket.setEncoding('utf8')
    const lost = (why: string): void => {
      if (this.#socket === socket) this.#fail(new DriverError('unavailable', `${this.#path}: ${why}`))
    }
    socket.on('data', (text: string) => this.#take(text, lost))
    socket.on('error', (error) => lost(error.message))
    socket.on('close', () => lost('the connection was closed'))
    return socket
  }

  #take(text: string, lost: (why: string) => void): void {
    const lines = (this.#received + text).split('\n')
    this.#received = lines.pop()!
    for (const line of lines) this.#waiting.shift()?.resolve(line)
    if (this.#received.length > maxLineBytes) lost('a line has no end')
  }

  #fail(error: DriverError): void {
    const socket = this.#socket
    this.#socket = null
    socket?.destroy()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/** `read NAME` is answered with a number. */
export function socketSensor(name: string, binding: Extract<SensorBinding, { driver: 'socket' }>): SensorDriver {
  const socket = new LineSocket(binding.path)
  return {
    async read(leftMs) {
      const line = await socket.ask(`read ${name}`, Math.min(binding.timeoutMs, leftMs))
      const value = Number(line)
      if (line.trim() === '' || !Number.isFinite(value)) {
        throw new DriverError('unavailable', `${binding.path} answered "${line.slice(0, 60)}"`)
      }
      return value
    },
    close: () => socket.close(),
  }
}

/** `set NAME VALUE` is answered with `ok`. */
export function socketActuator(name: string, binding: Extract<ActuatorBinding, { driver: 'socket' }>): ActuatorDriver {
  const socket = new LineSocket(binding.path)
  return {
    async set(value, leftMs) {
      const line = await socket.ask(`set ${name} ${value}`, Math.min(binding.timeoutMs, leftMs))
      if (line.trim() !== 'ok') throw new DriverError('unavailable', `${binding.path} answered "${line.slice(0, 60)}"`)
    },
    close: () => socket.close(),
  }
}
