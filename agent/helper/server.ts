import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { exit, ppid, stdout } from 'node:process'
import { parseNodeFile } from '../host/node-file.ts'
import { runCommand } from './command.ts'
import { Components, findJco } from './components.ts'
import { Databases, program } from './databases.ts'

// The helper: what the agent must not do itself, because it runs without the permission to start processes. It starts the commands that the node's
// file binds to sensors and actuators, keeps each app's database in a process that can be killed, and starts those that run components. It listens on a Unix socket in a folder of its
// owner's, a JSON object a line; whoever asks names a binding or an app, never a command or a file.

/** A line is at most a statement and its parameters, which the canonical ABI's caps bound. */
const maxLineChars = 8 * 1024 * 1024
const maxRunning = 64
const parentCheckMs = 1_000

interface Question {
  readonly id: number
  readonly op: string
  readonly [key: string]: unknown
}

/** Null where nothing is answered. */
type Answer = (question: Question, socket: Socket) => Promise<object | null>

/** Serves the helper's socket until the agent ends. The node's file is read once: what it binds changes with a restart. */
export function serveHelper(home: string, socketPath: string): void {
  const file = join(home, 'agent.toml')
  const nodeFile = parseNodeFile(readFileSync(file, 'utf8'), file)
  const databases = new Databases(join(home, 'sql'), nodeFile.sql?.maxBytes ?? 0)
  const components = new Components(program)
  const answer: Answer = async (question, socket) => {
    switch (question.op) {
      case 'command':
        return await runCommand(nodeFile, question)
      case 'sql':
        return nodeFile.sql === null ? { error: 'this node has no database' } : await databases.run(question)
      case 'remove-database':
        await databases.remove(String(question.app))
        return {}
      case 'components-ready':
        return { ready: nodeFile.components && findJco() !== null }
      case 'transpile':
      case 'run':
        if (nodeFile.components) components.start(question.op, String(question.key), socket)
        else socket.destroy()
        return null
      case 'end':
        components.end(String(question.key))
        return null
      // An agent that ends in good order doesn't wait for its end to be noticed.
      case 'stop':
        return exit(0)
      default:
        return { error: `the helper does not know "${question.op}"` }
    }
  }
  process.title = `hypha-helper ${home}`
  process.on('exit', () => {
    databases.close()
    components.close()
  })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => exit(0))
  endWithParent()
  // Whoever started it reads only the first line.
  stdout.on('error', () => undefined)
  createServer((socket) => serve(socket, answer)).listen(socketPath, () => stdout.write('ready\n'))
}

/** The agent may be killed at any moment: its end shows in that this process gets another parent. */
function endWithParent(): void {
  const parent = ppid
  setInterval(() => {
    if (process.ppid !== parent) exit(0)
  }, parentCheckMs)
}

function serve(socket: Socket, answer: Answer): void {
  let received = ''
  let running = 0
  const take = (line: string): void => {
    const question = JSON.parse(line) as Question
    const reply = (body: object | null): void => {
      running--
      if (body !== null && socket.writable) socket.write(`${JSON.stringify({ id: question.id, ...body })}\n`)
    }
    if (++running > maxRunning) reply({ error: 'the helper is busy', fault: 'unavailable' })
    else answer(question, socket).then(reply, (error: Error) => reply({ error: error.message, fault: 'unavailable' }))
  }
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    const lines = (received + text).split('\n')
    received = lines.pop()!
    try {
      for (const line of lines) take(line)
      if (received.length > maxLineChars) throw new Error('a question has no end')
    } catch (error) {
      console.error(`hypha-helper: ${(error as Error).message}`)
      socket.destroy()
    }
  })
  socket.on('error', () => socket.destroy())
}
