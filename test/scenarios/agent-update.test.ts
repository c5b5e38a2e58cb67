import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { writeTar } from '@hypha/core/bytes/tar.ts'
import { toHex } from '@hypha/core/bytes/text.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleAgent } from '../../agent/bundle.ts'
import { compare } from '../../bench/kill.ts'
import { project } from '../../examples/demo/processes.ts'
import { pushBody } from '../../gateway/admin/api/push-body.ts'
import { ApiClient } from '../../gateway/admin/cli/client.ts'
import { releasePayload, signRelease } from '../../gateway/push/release.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { NumberSource } from '../support/number-source.ts'
import { artifact, crypto, makeRelease, thief } from '../support/signed.ts'
import { ask, eventOf } from './support.ts'

// The agent's own program is exchanged under a running app, goes back by itself where it doesn't do, and no number is lost or doubled meanwhile.

interface Section {
  app: string
  status: string
  code: string | null
  message: string | null
  release: { number: number | null }
  running: { number: number | null } | null
}
interface NodeView {
  inventory: { agentVersion: string; updates: string[] | null }
  sections: Section[]
}

const node = 'pi-1'
let fleet: Fleet
let source: NumberSource
let launcher: ChildProcess
const lines: string[] = []

const home = () => fleet.agentHome(node)
const show = () => ask<NodeView>(fleet, `/v1/nodes/${node}`)
const own = async () => (await show()).sections.find(({ app }) => app === 'hypha-agent')
const version = async () => (await show()).inventory.agentVersion
const current = () => readFileSync(join(home(), 'agent/current'), 'utf8').trim()
const slots = () => readdirSync(join(home(), 'agent/slots'))
const release = (...args: string[]) =>
  fleet.json<{ number: number; outcome: { confirmed: string[] } | null }>(['agent', 'release', ...args])

/** Writes a bundle as an installation has it from its beginning. */
async function install(label: string): Promise<void> {
  const folder = join(fleet.folder, 'first')
  await bundleAgent(folder, label)
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => /\.\w+$/.test(name))
  const files = names.map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }))
  const digest = toHex(crypto.sha256(writeTar(files)))
  for (const { name, bytes } of files) {
    const path = join(home(), 'agent/slots', digest, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
  writeFileSync(join(home(), 'agent/current'), `${digest}\n`)
}

function launch(): void {
  launcher = spawn('/bin/sh', [join(project, 'agent/launcher/hypha-agent-start.sh'), process.execPath, home()], {
    env: { ...process.env, HYPHA_AGENT_TRIAL_MS: '1000', HYPHA_WATCHDOG_S: '10', INVOCATION_ID: '' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  createInterface({ input: launcher.stderr! }).on('line', (line) => lines.push(line))
}

/** A folder to release whose agent does nothing but this. */
function broken(name: string, program: string): string {
  const folder = join(fleet.folder, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'main.js'), program)
  return folder
}

beforeAll(async () => {
  fleet = await Fleet.start()
  source = await NumberSource.listen(join(fleet.folder, 'numbers.sock'))
  await fleet.joinNode(node, { nodeFile: `[sensor.number]\ndriver = "socket"\npath = "${source.path}"\n` })
  await install('1.0.0')
  launch()
  cpSync(join(project, 'bench/kill-app'), join(fleet.folder, 'app'), { recursive: true })
  await eventually('the agent says what it installs', async () => (await show()).inventory?.updates ?? undefined)
  await fleet.hypha(['push', join(fleet.folder, 'app')])
  await fleet.reached('kill', 'confirmed')
})
afterAll(async () => {
  launcher.kill('SIGTERM')
  if (launcher.exitCode === null) await once(launcher, 'exit')
  source.close()
  await fleet.stop()
})

test('A release of the agent is tried, confirmed and reported, and the slot before is kept', async () => {
  expect(await version()).toBe('1.0.0')
  const before = current()
  const { outcome } = await release('--label', '2.0.0')
  expect(outcome?.confirmed).toEqual([node])
  expect(await version()).toBe('2.0.0')
  expect(await own()).toMatchObject({ status: 'confirmed', release: { number: 1 }, running: { number: 1 } })
  expect(current()).not.toBe(before)
  expect(slots()).toContain(before)
  expect(await fleet.json(['rollout', 'hypha-agent'])).toMatchObject({ done: true })
  expect(await fleet.json(['app', 'hypha-agent'])).toMatchObject({
    release: 1,
    instances: 1,
    running: 1,
    complete: true,
  })
  expect(await fleet.json(['releases', 'hypha-agent'])).toMatchObject([
    { number: 1, current: true, label: expect.stringMatching(/^2\.0\.0 /) },
  ])
})

test.each([
  ['dies at its start', `throw new Error('broken')`, /ended with exit code 1/],
  ['hangs', 'setInterval(() => undefined, 1_000)', /no sign of life/],
])('A release that %s is given up by itself, said so, and not tried again', async (name, program, why) => {
  const before = current()
  const result = await fleet.tryHypha(['agent', 'release', '--bundle', broken(name.replaceAll(' ', '-'), program)])
  expect(result.code).not.toBe(0)
  expect(result.stderr).toContain('rollout-failed')
  expect(await own()).toMatchObject({ status: 'reverted', code: 'trial-died', running: { number: 1 } })
  expect((await own())?.message).toMatch(why)
  await eventOf(fleet, 'hypha-agent', 'reverted', why, node)
  expect([current(), await version()]).toEqual([before, '2.0.0'])
})

test('A release of a stranger is refused', async () => {
  const program = new TextEncoder().encode('x')
  const { number } = await fleet.json<{ number: number }>(['push', '--no-wait', join(fleet.folder, 'app')])
  const strange = makeRelease({
    fleet: fleet.name,
    app: 'hypha-agent',
    number: number + 100,
    modules: [],
    files: [{ name: 'agent', arch: null, artifact: artifact(program) }],
  })
  const cbor = pushBody.encode({ envelope: signRelease(releasePayload(strange), [thief]), components: [program] })
  const api = new ApiClient({ kind: 'socket', path: join(fleet.folder, 'hypha/gateway/api.sock') })
  await expect(api.request('POST', '/v1/push', { cbor })).rejects.toMatchObject({ code: 'threshold-not-met' })
})

test('Killed while it receives and while it is on trial, it comes to the new release all the same', async () => {
  const { number } = await release('--label', '3.0.0', '--no-wait')
  kill(pid())
  await eventually('it is on trial', () => / 1$/m.test(readTrial()) || undefined)
  await eventually('the process on trial', () => (runs(pid()) && kill(pid())) || undefined)
  await eventually('it is confirmed', async () => {
    const section = await own()
    return (section?.running?.number === number && section.status === 'confirmed') || undefined
  })
  expect(await version()).toBe('3.0.0')
})

/** Of the agent that has given the last sign of life. */
const pid = () => Number(readFileSync(join(home(), 'run/alive'), 'utf8').trim().split(/\s+/)[0])
const runs = (process: number) => existsSync(`/proc/${process}/task`)
const kill = (id: number) => runs(id) && process.kill(id, 'SIGKILL')

const readTrial = () => {
  try {
    return readFileSync(join(home(), 'agent/trial'), 'utf8')
  } catch {
    return ''
  }
}

test('A rollback brings the agent before back', async () => {
  const answer = await fleet.json<{ outcome: { confirmed: string[] } }>(['rollback', 'hypha-agent', '1'])
  expect(answer.outcome.confirmed).toEqual([node])
  expect(await version()).toBe('2.0.0')
  expect(slots().length).toBeLessThanOrEqual(2)
})

test('All that time no number of the app was lost, and none stored twice', async () => {
  source.ended = true
  await eventually('what was counted is stored', () => compare(fleet, source.counted).lost === 0 || undefined)
  const { samples, lost, doubled } = compare(fleet, source.counted)
  expect({ lost, doubled }).toEqual({ lost: 0, doubled: 0 })
  expect(samples).toBeGreaterThan(10)
})
