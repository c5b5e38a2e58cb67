import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, Fleet } from '../support/fleet.ts'
import { inState, nodeAt, push, receiptsOf, rolloutOf, show, ticking, versioned } from './rollout-support.ts'
import { eventOf, steadySensor, writeApp } from './support.ts'

// A node whose disk is full: it says so, what runs there goes on, and once there is room it comes to the new release by itself.

let fleet: Fleet
let mounted = false
const both = ['pi-1', 'pi-2']
const disk = () => fleet.agentHome('pi-1')
const ballast = () => join(disk(), 'ballast')

/** Takes all the room that is left. */
function fill(): void {
  for (;;) {
    const { bavail, bsize } = statfsSync(disk())
    if (bavail === 0) return
    try {
      writeFileSync(ballast(), new Uint8Array(bavail * bsize), { flag: 'a' })
    } catch (thrown) {
      // The agent writes meanwhile, too.
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown
    }
  }
}

const asRoot = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: 'ignore' })

/** A container may forbid it, and whoever isn't root can't. */
function mayMount(): boolean {
  try {
    asRoot('unshare', '--mount', 'true')
    return process.getuid?.() === 0
  } catch {
    return false
  }
}

beforeAll(async () => {
  if (!mayMount()) return
  fleet = await Fleet.start()
  mkdirSync(disk())
  asRoot('mount', '-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk())
  mounted = true
  for (const node of both) await fleet.addNode(node, { nodeFile: steadySensor })
  await fleet.hypha(['push', '--snap', writeApp(fleet, 'app', ticking, { main: versioned(1) })])
})
afterAll(async () => {
  if (!mounted) return
  await Promise.all([...fleet.agents.values()].map((agent) => agent.end('SIGKILL')))
  asRoot('umount', disk())
  await fleet.stop()
})

test.runIf(mayMount())(
  'A disk that is full while a node prepares: the wave waits for it and says why, and goes on when there is room',
  async () => {
    fill()
    const { epoch } = await push(fleet, 'app', 2)
    const phases = await eventually('the rollout waits for the full disk', async () => {
      const { phases, nodes } = await rolloutOf(fleet, 'app')
      const node = nodes.find(({ waitsFor }) => /no space/.test(waitsFor ?? ''))
      return node?.node === 'pi-1' && /pi-1 \(.*no space.*\)/.test(phases?.waitsFor ?? '') ? phases : undefined
    })
    expect(phases!.state).toBe('preparing')
    await eventOf(fleet, null, 'directive-refused', /disk-full/, 'pi-1')
    await show(fleet, 'app', 1, ['pi-2'])
    rmSync(ballast())
    await inState(fleet, 'app', 2, 'done')
    await show(fleet, 'app', 2, both)
    await receiptsOf(fleet, 'app', epoch, both)
  },
)

test.runIf(mayMount())(
  'A disk that is full when the commit comes: the others flip, and the node follows when there is room',
  async () => {
    const other = fleet.agents.get('pi-2')!.child
    other.kill('SIGSTOP')
    const { epoch } = await push(fleet, 'app', 3)
    await nodeAt(fleet, 'app', 'pi-1', 'prepared')
    fill()
    other.kill('SIGCONT')
    await receiptsOf(fleet, 'app', epoch, ['pi-2'])
    rmSync(ballast())
    await eventOf(fleet, 'app', 'prepare-failed', /disk-full/, 'pi-1')
    await inState(fleet, 'app', 3, 'done')
    await show(fleet, 'app', 3, both)
    await receiptsOf(fleet, 'app', epoch, both)
  },
)
