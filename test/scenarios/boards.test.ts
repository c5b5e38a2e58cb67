import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { agentProgram, RunningProgram } from '../../examples/demo/processes.ts'
import { buildChecked } from '../support/firmware.ts'
import { eventually, Fleet } from '../support/fleet.ts'

interface NodeDetail {
  readonly boards: readonly {
    readonly id: string
    readonly connected: boolean
    readonly hardware: string
    readonly sensors: readonly string[]
  }[]
}

// The firmware of this machine on a pseudo-terminal, the bridge that the agent starts, and what the fleet is told.

const firmware = join(buildChecked('host'), '../board-host')

it('a board on a serial port is seen by the whole fleet as its node sees it: there, pulled out, and in elsewhere', async () => {
  const fleet = await Fleet.start()
  const port = (name: string) => join(fleet.folder, name)
  const plug = (name: string) =>
    spawn(firmware, ['--flash', port('flash'), '--pty', port(name), '--sensor', 'temperature=21.5'], {
      stdio: ['ignore', 'ignore', 'ignore'],
    })
  let cable = plug('ttyUSB0')
  try {
    await fleet.joinNode('pi-7')
    const home = fleet.agentHome('pi-7')
    const agent = new RunningProgram(agentProgram, ['run', '--home', home, '--serial', port('ttyUSB*')], {})
    fleet.agents.set('pi-7', agent)
    const board = (connected: boolean) =>
      eventually(`the board is ${connected ? 'there' : 'away'}`, async () => {
        const { boards } = await fleet.json<NodeDetail>(['node', 'pi-7'])
        return boards.find((each) => each.connected === connected)
      })
    const first = await board(true)
    expect(first).toMatchObject({ hardware: 'host', sensors: ['temperature'] })
    cable.kill('SIGKILL')
    expect(await board(false)).toMatchObject({ id: first.id })
    cable = plug('ttyUSB1')
    expect(await board(true)).toMatchObject({ id: first.id })
    expect(await fleet.hypha(['node', 'pi-7'])).toMatch(new RegExp(`board +${first.id}: host, firmware`))
  } finally {
    cable.kill('SIGKILL')
    await fleet.stop()
  }
})
