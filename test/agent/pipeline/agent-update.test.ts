import { writeTar } from '@hypha/core/bytes/tar.ts'
import { toHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import { expect, test } from 'vitest'
import { defaultWatchLimits } from '../../../agent/update/machine.ts'
import { Slots } from '../../../agent/update/slots.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { crypto, startMs, thief } from '../../support/signed.ts'
import { Network, startNode, type TestNode, until } from './node.ts'

// The agent's own release on its way through a node, with the launcher played by these lines.

const archiveOf = (version: string) => writeTar([{ name: 'main.js', bytes: toUtf8(`version ${version}`) }])
const slotOf = (archive: Uint8Array) => toHex(crypto.sha256(archive))
const [old, fresh] = [archiveOf('1'), archiveOf('2')]

/** The same files, one folder down. */
const below = (files: Files, folder: string): Files => {
  const path = (name: string) => (name === '' ? folder : `${folder}/${name}`)
  return {
    read: (name) => files.read(path(name)),
    list: (name) => files.list(path(name)),
    ensureFolder: (name) => files.ensureFolder(path(name)),
    open: (name) => files.open(path(name)),
    rename: (from, to) => files.rename(path(from), path(to)),
    remove: (name) => files.remove(path(name)),
    syncFolder: (name) => files.syncFolder(path(name)),
  }
}

/** A device as it was installed, with a launcher. */
class Device {
  files: LossyFiles
  readonly clock = new FakeClock(startMs)
  readonly network = new Network()
  online = true
  restarts = 0
  node!: TestNode
  running = ''

  private constructor(files: LossyFiles) {
    this.files = files
  }

  static async installed(): Promise<Device> {
    const files = new LossyFiles()
    files.ensureFolder('agent')
    await files.syncFolder('')
    const slots = new Slots(below(files, 'agent'), slotOf(old))
    await slots.install(slotOf(old), old)
    await slots.confirm()
    return new Device(files)
  }

  get slots(): Slots {
    return new Slots(below(this.files, 'agent'), this.running)
  }

  /** As agent/launcher does: what is on trial while it has tries left, else what is current. */
  async start(files: LossyFiles): Promise<void> {
    this.files = files
    const [trial = '', tries = '0'] = this.#words('trial')
    this.running = trial
    if (trial === '' || Number(tries) < 1) {
      this.running = this.#words('current')[0]!
      if (trial !== '') await this.slots.giveUp(trial, { code: 'trial-died', message: 'It was tried' })
    } else if (trial !== this.#words('current')[0]) await this.slots.try(trial, Number(tries) - 1)
    let ended = false
    const restart = () => {
      ended = true
      this.restarts++
      this.files.cutPower()
    }
    this.node = await startNode(files, this.network, this.clock, 'boot', {
      slots: this.slots,
      limits: defaultWatchLimits,
      online: () => this.online,
      restart,
    })
    await this.node.boot().catch((error) => {
      if (!ended) throw error
    })
    if (!ended && this.online) this.node.connect()
  }

  /** Lets time pass until it is so, or the process has ended. */
  async pass(what: string, holds: () => boolean): Promise<void> {
    for (let step = 0; step < 1_000; step++) {
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
      if (this.files.cut || holds()) return
      this.clock.advance(500)
    }
    throw new Error(`${what}: not so; ${JSON.stringify(this.section())}, ${this.node.told.join('; ')}`)
  }

  /** The same, and the launcher starts an agent whenever one has ended. */
  async until(what: string, holds: () => boolean): Promise<void> {
    for (let starts = 0; starts < 12; starts++) {
      await this.pass(what, holds)
      if (!this.files.cut) return
      await this.start(this.files.afterKill())
    }
    throw new Error(`${what}: it is started again and again`)
  }

  section = () => this.node.pipeline.sections().find(({ app }) => app === 'hypha-agent')
  is = (status: string) => () => !this.files.cut && this.section()?.status === status

  #words(name: string): string[] {
    const bytes = this.files.read(`agent/${name}`)
    return bytes === null ? [] : new TextDecoder().decode(bytes).trim().split(' ')
  }
}

test('A release is unpacked, tried, held for half a minute and confirmed', async () => {
  const device = await Device.installed()
  const release = device.network.offerAgent(1, fresh)
  await device.start(device.files)
  await device.until('on trial', () => device.running === slotOf(fresh) && device.is('trial')())
  const begun = device.clock.monotonic()
  await device.until('confirmed', device.is('confirmed'))
  expect(device.clock.monotonic() - begun).toBeGreaterThanOrEqual(defaultWatchLimits.holdMs - 1_000)
  expect([device.running, toHex(device.section()!.running!), device.restarts]).toEqual([slotOf(fresh), release, 1])
  expect(device.slots.found(null)).toMatchObject({ current: slotOf(fresh), trial: null })
})

test('A release that is what runs already is confirmed without a restart', async () => {
  const device = await Device.installed()
  device.network.offerAgent(1, old)
  await device.start(device.files)
  await device.until('confirmed', device.is('confirmed'))
  expect(device.restarts).toBe(0)
})

test('A release that a stranger signed is refused, and nothing of it is unpacked', async () => {
  const device = await Device.installed()
  device.network.offerAgent(1, fresh, { signers: [thief] })
  await device.start(device.files)
  await device.until('refused', device.is('refused'))
  expect(device.section()).toMatchObject({ code: 'threshold-not-met', running: null })
  expect(device.files.list('agent/slots')).toEqual([slotOf(old)])
})

test('One whose archive is none of ours is refused', async () => {
  const device = await Device.installed()
  device.network.offerAgent(1, toUtf8('no archive'))
  await device.start(device.files)
  await device.until('refused', device.is('refused'))
  expect(device.section()).toMatchObject({ code: 'bytes-truncated' })
})

test('An agent that never reaches its gateway gives itself up, and is not tried again until it is asked for anew', async () => {
  const device = await Device.installed()
  device.network.offerAgent(1, fresh)
  await device.start(device.files)
  await device.pass('staged', () => false)
  device.online = false
  await device.start(device.files.afterKill())
  await device.pass('given up', () => false)
  device.online = true
  await device.start(device.files.afterKill())
  await device.until('reverted', device.is('reverted'))
  expect(device.section()).toMatchObject({ code: 'trial-offline', running: null })
  expect(device.clock.monotonic()).toBeGreaterThanOrEqual(defaultWatchLimits.deadlineMs)
  expect([device.running, device.restarts]).toEqual([slotOf(old), 2])

  await device.start(device.files.afterKill())
  await device.until('still reverted', device.is('reverted'))
  expect(device.restarts).toBe(2)

  device.network.offerAgent(2, fresh)
  device.node.connect()
  await device.until('confirmed', device.is('confirmed'))
  expect(device.running).toBe(slotOf(fresh))
})

test('An agent from a checkout installs no release of itself', async () => {
  const files = new LossyFiles()
  const network = new Network()
  const clock = new FakeClock(startMs)
  network.offerAgent(1, fresh)
  const node = await startNode(files, network, clock, 'boot')
  await node.boot()
  node.connect()
  await until(files, clock, node, 'refused', () => node.status() === 'refused')
  expect(node.pipeline.sections()[0]).toMatchObject({ code: 'update-unsupported' })
})

test('The power may go at any write on the way to the trial: it comes to the new release all the same', async () => {
  const ends = { confirmed: 0, reverted: 0 }
  for (let cutAt = 1; ; cutAt++) {
    const device = await Device.installed()
    device.network.offerAgent(1, fresh)
    await device.start(device.files.afterKill({ cutAt })).catch(() => undefined)
    if (device.node !== undefined) {
      await until(device.files, device.clock, device.node, 'the cut, or the restart', () => false).catch(
        () => undefined,
      )
    }
    if (device.restarts > 0 || !device.files.cut) break
    await device.start(device.files.afterPowerCut(cutAt))
    await device.until('settled', () => device.is('confirmed')() || device.is('reverted')())
    const { status } = device.section()!
    ends[status as keyof typeof ends]++
    expect(device.running).toBe(status === 'confirmed' ? slotOf(fresh) : slotOf(old))
  }
  expect(ends.reverted).toBe(0)
  expect(ends.confirmed).toBeGreaterThan(20)
})
