import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cleanRoot } from '../support/clean-root.ts'
import { eventually, Fleet } from '../support/fleet.ts'
import { ask, lastValue, Stranger, writeApp } from './support.ts'

// The whole way of a device: a clean Debian with nothing but a shell and curl, in a network where nobody is but its gateway. The line that `hypha invite` printed
// is run as it is, what it says then is done, and an app ticks. Roots and networks of one's own take root.

const ticker = `
import { emit } from "hypha/host/telemetry";
let ticks: u32 = 0;
export function tick(nowMs: u64): void {
  emit("ticks", <f64>(++ticks));
}
`

describe.skipIf(process.getuid?.() !== 0)('A device with nothing but a shell, curl and its gateway', () => {
  let root: string
  let fleet: Fleet
  /** Keeps the network, in which there is only loopback, and on it the gateway. */
  let network: Stranger
  let line: string
  let agent: Stranger | null = null

  beforeAll(async () => {
    root = await cleanRoot()
    network = new Stranger('unshare', ['--net', 'sh', '-c', 'ip link set lo up && echo up && exec sleep 3600'])
    await network.line(/up/)
    fleet = await Fleet.start({ through: ['nsenter', `--net=/proc/${network.child.pid}/ns/net`] })
    ;({ install: line } = await fleet.json<{ install: string }>(['invite', 'pi-7']))
  }, 300_000)
  afterAll(async () => {
    agent?.child.kill('SIGKILL')
    await agent?.ended
    await fleet?.stop()
    await network?.end()
    if (root !== undefined) rmSync(root, { recursive: true, force: true })
  })

  /** A command on the device, in the gateway's network and a process's view of its own /proc. */
  const onDevice = (command: string) =>
    new Stranger('nsenter', [
      `--net=/proc/${network.child.pid}/ns/net`,
      ...[
        'unshare',
        '--mount',
        'sh',
        '-c',
        'mount -t proc proc "$0/proc" && exec chroot "$0" sh -c "$1"',
        root,
        command,
      ],
    ])
  const done = async (command: string) => {
    const run = onDevice(command)
    const code = await run.ended
    return { code, text: run.out + run.err }
  }
  const inRoot = (path: string) => join(root, path)

  test('reaches no registry and has no Node', async () => {
    expect((await done('tail -n +2 /proc/net/route')).text).toBe('')
    expect((await done('curl -sS --max-time 5 http://deb.debian.org')).text).toContain('Could not resolve host')
    expect((await done('command -v node || command -v sudo')).code).not.toBe(0)
  })

  test('installs and joins by the printed line', async () => {
    const { code, text } = await done(line)
    expect([code, text]).toEqual([0, expect.stringContaining('hypha: the device has joined')])
    expect(text).toContain('hypha.sh: OK')
    expect((await done('hypha-agent show')).text).toContain('pi-7')
    // What the agent is, it can't change; what it has, nobody else reads.
    const unit = readFileSync(inRoot('etc/systemd/system/hypha-agent.service'), 'utf8')
    expect(unit).toContain('NoNewPrivileges=yes')
    expect(statSync(inRoot('opt/hypha/bin/hypha-agent-start')).uid).toBe(0)
    expect(statSync(inRoot('var/lib/hypha-agent')).mode & 0o777).toBe(0o700)
    expect(statSync(inRoot('var/lib/hypha-agent/identity')).uid).not.toBe(0)
  })

  test('starts as it was told to, and an app of one module ticks on it', async () => {
    const { text } = await done(line)
    const start = /start it with: (.*)$/m.exec(text)?.[1]
    agent = onDevice(`exec ${start}`)
    await agent.errLine(/connected/)
    await fleet.hypha([
      'push',
      '--no-wait',
      writeApp(fleet, 'ticker', '[module.tick]\ntimer = "200ms"\n', { tick: ticker }),
    ])
    const { node, value } = await lastValue(fleet, { app: 'ticker', metric: 'ticks' }, (last) => last.value > 2)
    expect([node, value]).toEqual(['pi-7', expect.any(Number)])
  })

  test('runs the line again while its agent runs: it stays who it is, and keeps its own bindings', async () => {
    const identity = readFileSync(inRoot('var/lib/hypha-agent/identity'))
    writeFileSync(inRoot('var/lib/hypha-agent/agent.toml'), 'labels = ["floor=2"]\n')
    const { code, text } = await done(line)
    expect([code, text]).toEqual([0, expect.stringContaining('keeps its identity')])
    expect(text).not.toContain('fetching Node')
    expect(readFileSync(inRoot('var/lib/hypha-agent/identity')).equals(identity)).toBe(true)
    expect(readFileSync(inRoot('var/lib/hypha-agent/agent.toml'), 'utf8')).toContain('floor=2')
    const before = await lastValue(fleet, { app: 'ticker', metric: 'ticks' })
    await lastValue(fleet, { app: 'ticker', metric: 'ticks' }, ({ value }) => value > before.value)
  })

  test('ends its agent in order, and is clean again when it is uninstalled and purged', async () => {
    agent!.child.kill('SIGTERM')
    expect(await agent!.ended).toBe(0)
    agent = null
    await eventually('the gateway sees it gone', async () => {
      const nodes = await ask<{ id: string; online: boolean }[]>(fleet, '/v1/nodes')
      return nodes.every(({ online }) => !online) || undefined
    })
    expect((await done('hypha-agent-uninstall || /opt/hypha/bin/hypha-agent-uninstall')).code).toBe(0)
    expect(existsSync(inRoot('opt/hypha'))).toBe(false)
    expect(existsSync(inRoot('var/lib/hypha-agent/identity'))).toBe(true)
    // Installed again, it is the same device; only then is it forgotten.
    expect((await done(line)).text).toContain('keeps its identity')
    expect((await done('/opt/hypha/bin/hypha-agent-uninstall --purge')).code).toBe(0)
    for (const path of [
      'opt/hypha',
      'var/lib/hypha-agent',
      'usr/local/bin/hypha-agent',
      'etc/systemd/system/hypha-agent.service',
    ])
      expect(existsSync(inRoot(path)), path).toBe(false)
    expect(readFileSync(inRoot('etc/passwd'), 'utf8')).not.toContain('hypha-agent')
  })
})
