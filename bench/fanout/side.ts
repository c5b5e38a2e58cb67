import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Begin, Expect, FromNodes, FromServer, Node, Publish, Serve } from './messages.ts'

/** Of a message. */
export const bytes = 4_096
const nodesPerProcess = 2_500

interface Server {
  readonly port: number
  publish(message: Publish): Promise<{ begunMs: number; cpuUs: number }>
  end(): void
}

/** A process of this benchmark: what is awaited of it fails when it ends. */
class Helper<In extends object, Out> {
  readonly #child: ChildProcess
  readonly #ended: Promise<never>

  constructor(file: string) {
    this.#child = fork(join(import.meta.dirname, file))
    this.#ended = once(this.#child, 'exit').then(() => {
      throw new Error(`A process of ${file} has ended`)
    })
    // Heard by whoever waits.
    this.#ended.catch(() => undefined)
  }

  send(message: In): void {
    this.#child.send(message)
  }

  /** The next message that fits. */
  hear<M extends Out>(fits: (message: Out) => message is M): Promise<M> {
    const heard = new Promise<M>((resolve) => {
      const listen = (message: Out) => {
        if (!fits(message)) return
        this.#child.off('message', listen)
        resolve(message)
      }
      this.#child.on('message', listen)
    })
    return Promise.race([heard, this.#ended])
  }

  end(): void {
    this.#child.kill()
  }
}

type Ready = Extract<FromNodes, { ready: number }>
type Have = Extract<FromNodes, { lastMs: number }>
type Done = Extract<FromServer, { cpuUs: number }>

export async function startServer(serve: Serve): Promise<Server> {
  const server = new Helper<Serve | Publish, FromServer>('server.ts')
  server.send(serve)
  const { port } = await server.hear((message): message is { port: number } => 'port' in message)
  return {
    port,
    publish(message) {
      const done = server.hear((each): each is Done => 'cpuUs' in each)
      server.send(message)
      return done
    },
    end: () => server.end(),
  }
}

/** The nodes, in several processes, each with an address of its own. */
class Crowd {
  readonly #processes: Helper<Begin | Expect, FromNodes>[] = []

  async start(port: number, ca: string | null, mqtt: boolean, nodes: readonly Node[]): Promise<void> {
    const count = Math.max(2, Math.ceil(nodes.length / nodesPerProcess))
    for (let index = 0; index < count; index++) {
      const own = nodes.filter((_node, number) => number % count === index)
      const helper = new Helper<Begin | Expect, FromNodes>('nodes.ts')
      this.#processes.push(helper)
      helper.send({ port, ca, mqtt, address: `127.0.0.${index + 2}`, nodes: own })
    }
    await this.#ready()
  }

  async #ready(): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.hear((message): message is Ready => 'ready' in message)))
  }

  /** Resolves once every process waits for it, with what resolves when every node has it (a promise in itself would be waited for). */
  async expect(number: number, cut: number): Promise<{ all: Promise<{ lastMs: number; cutWithoutIt: number }> }> {
    const have = this.#processes.map((each) => each.hear((message): message is Have => 'lastMs' in message))
    const ready = this.#ready()
    for (const each of this.#processes) each.send({ number, cut: Math.round(cut / this.#processes.length) })
    await ready
    const all = Promise.all(have).then((each) => ({
      lastMs: Math.max(...each.map(({ lastMs }) => lastMs)),
      cutWithoutIt: each.reduce((sum, { cutWithoutIt }) => sum + cutWithoutIt, 0),
    }))
    return { all }
  }

  end(): void {
    for (const each of this.#processes) each.end()
  }
}

/** One message to all nodes. */
export interface Measured {
  /** Of the server, for each node. */
  readonly cpuUs: number
  /** Until the last node had it. */
  readonly allMs: number
  readonly cutWithoutIt: number
}

interface SideOptions {
  readonly server: Server
  readonly nodes: readonly Node[]
  /** Null without TLS. */
  readonly ca: string | null
  /** Whether the server speaks MQTT, or only writes. */
  readonly mqtt: boolean
}

/** A server with all its nodes connected. */
export class Side {
  readonly #server: Server
  readonly #crowd = new Crowd()
  readonly #nodes: number
  #number = 0

  private constructor({ server, nodes }: SideOptions) {
    this.#server = server
    this.#nodes = nodes.length
  }

  static async start(options: SideOptions): Promise<Side> {
    const side = new Side(options)
    try {
      await side.#crowd.start(options.server.port, options.ca, options.mqtt, options.nodes)
    } catch (error) {
      side.end()
      throw error
    }
    return side
  }

  /** `cut` of the nodes are cut in the middle of it. */
  async publish(qos: 0 | 1, cut = 0): Promise<Measured> {
    const number = ++this.#number
    const { all } = await this.#crowd.expect(number, cut)
    const { begunMs, cpuUs } = await this.#server.publish({ number, qos, bytes })
    const have = await Promise.race([all, pause(60_000, null, { ref: false })])
    if (have === null) throw new Error('Some nodes never had the message')
    return { cpuUs: cpuUs / this.#nodes, allMs: have.lastMs - begunMs, cutWithoutIt: have.cutWithoutIt }
  }

  end(): void {
    this.#crowd.end()
    this.#server.end()
  }
}
