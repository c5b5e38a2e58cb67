import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { agentProgram, hyphaProgram, RunningProgram } from '../../examples/demo/processes.ts'
import type { NodeDetail } from '../../gateway/admin/api/schemas/nodes.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask } from './support.ts'

// What scenarios with boards share: the firmware of this machine on a pseudo-terminal, as `hypha mcu sim` runs it, at an agent's serial port.

const ports = (fleet: Fleet, name: string) => join(fleet.folder, 'ports', name)

/** A board of this machine, as a person starts it. It keeps its flash. */
export class SimulatedBoard {
  readonly #fleet: Fleet
  readonly #id: string
  readonly #more: readonly string[]
  #port = ''
  #process: RunningProgram | null = null

  constructor(fleet: Fleet, id: string, ...more: string[]) {
    this.#fleet = fleet
    this.#id = id
    this.#more = more
    mkdirSync(ports(fleet, ''), { recursive: true })
  }

  /** Gives it power, with its cable in this port. */
  start(port: string): void {
    this.#port = port
    const flash = join(this.#fleet.folder, `${this.#id}.flash`)
    const args = ['mcu', 'sim', '--pty', ports(this.#fleet, port), '--id', this.#id, '--flash', flash, ...this.#more]
    this.#process = new RunningProgram(hyphaProgram, args, this.#fleet.env)
  }

  /** Puts its cable in elsewhere, or nowhere that an agent looks at; the board goes on. */
  replug(port: string): void {
    renameSync(ports(this.#fleet, this.#port), ports(this.#fleet, port))
    this.#port = port
  }

  async end(): Promise<void> {
    await this.#process?.end()
  }
}

/** A fleet with the node pi-7, and the board mcu-1 in one of its ports, which nobody has accepted yet. */
export async function fleetWithBoard(...more: string[]): Promise<{ fleet: Fleet; board: SimulatedBoard }> {
  const fleet = await Fleet.start()
  const board = new SimulatedBoard(fleet, 'mcu-1', ...more)
  board.start('ttyUSB0')
  try {
    await fleet.joinNode('pi-7')
    await startNodeAtPort(fleet, 'pi-7', 'ttyUSB*')
  } catch (error) {
    await board.end()
    await fleet.stop()
    throw error
  }
  return { fleet, board }
}

/** Starts an agent that watches a port; several, with * in its name. */
export async function startNodeAtPort(fleet: Fleet, node: string, port: string): Promise<void> {
  const args = ['run', '--home', fleet.agentHome(node), '--serial', ports(fleet, port)]
  const agent = new RunningProgram(agentProgram, args, {})
  fleet.agents.set(node, agent)
  await agent.line(/connected to/)
}

/** Waits until what is known of a node is as it should be. */
export const untilNode = (
  fleet: Fleet,
  node: string,
  what: string,
  fits: (node: NodeDetail) => boolean,
): Promise<NodeDetail> =>
  eventually(
    `${node} ${what}`,
    async () => {
      const found = await ask<NodeDetail>(fleet, `/v1/nodes/${node}`).catch(() => undefined)
      return found !== undefined && fits(found) ? found : undefined
    },
    60_000,
  )
