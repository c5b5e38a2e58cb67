import { toHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import { boxKeyOf, macOf, sessionKeyOf, sessionProof } from '@hypha/core/trust/board-session.ts'
import { makeBoxKeys } from '@hypha/core/trust/seal.ts'
import { parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import { fromChild } from '@hypha/core/wire/messages/child.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import type { ChildState, NodeState } from '@hypha/core/wire/messages/state.ts'
import { describe, expect, it } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { sizeForChildren } from '../../../gateway/distribute/children-packet.ts'
import { reportedBy } from '../../../gateway/services/reported.ts'
import { crypto, keys, makeModule } from '../../support/signed.ts'
import { componentOf, wat } from '../../support/wasm-guest.ts'
import { type AppModule, inventoryOf, pushOf, reports, startFleet, type TestGateway } from '../api/gateway.ts'

const admin = { name: 'ada', role: 'admin' } as const
const key = keys.release2.publicKey
const incarnation = new Uint8Array(8).fill(3)

const boardInventory = inventoryOf('mcu', {
  arch: 'host',
  memoryBytes: 24_576,
  storageBytes: 24_000,
  interfaces: ['log', 'clock', 'telemetry', 'sensor', 'kv', 'messages', 'config'].map(
    (name) => `hypha:host/${name}@0.1.0`,
  ),
  sensors: ['outdoor'],
})

const boardOf = (changes: Partial<ChildState> = {}): ChildState => ({
  node: 'mcu-1',
  key,
  invite: null,
  connected: true,
  incarnation,
  inventory: boardInventory,
  slotBytes: 24_000,
  messageBytes: 256,
  envelopeBytes: 4_096,
  root: 1,
  directive: 0,
  sections: [],
  contents: [],
  refused: null,
  ...changes,
})

/** What a node says of its boards, as ingest tells it; and what is told of boards comes back as of any node. */
function says(gateway: TestGateway, parent: string, ...children: ChildState[]): void {
  const { boards, store } = gateway
  reports(gateway, parent, 'device', { children })
  boards.heard(parent, reportedBy(store.nodes.get(parent)!)!)
}

async function fleet() {
  const gateway = await startFleet()
  const told: [string, boolean][] = []
  const reported: string[] = []
  gateway.boards.use({
    state: (node: string, state: NodeState) => gateway.reports.state(node, state),
    presence: (node, online) => {
      told.push([node, online])
      gateway.reports.presence(node, online)
    },
    report: (node) => reported.push(node),
    handled: () => undefined,
  })
  return { ...gateway, told, reported }
}

async function sampler(memoryBytes: number): Promise<AppModule> {
  const core = await wat(`(module (import "hypha:host/sensor@0.1.0" "touch" (func (param i32)))
    (memory (export "memory") 1) (global (export "hypha_memory_end") i32 (i32.const ${memoryBytes})))`)
  const wit = 'package hypha:host@0.1.0;\ninterface sensor { touch: func(n: u32); }\nworld w { import sensor; }'
  const limits = { ...makeModule().spec.limits, memoryBytes }
  return { name: 'sampler', component: await componentOf(core, wit), spec: { timerMs: 1_000, limits } }
}

describe('A board at the serial port of a node', () => {
  it('is pending, and shown with its key, until somebody accepts it; then it is a node with its own inventory', async () => {
    const gateway = await fleet()
    const { services, store } = gateway
    says(gateway, 'pi-7', boardOf())
    says(gateway, 'pi-7', boardOf())
    expect((await services.nodes.show('pi-7')).boards).toMatchObject([
      { id: 'mcu-1', standing: 'pending', key: toHex(key), connected: true },
    ])
    expect(store.nodes.get('mcu-1')).toBeNull()
    const events = store.events.list({ node: 'pi-7' }).map(({ code }) => code)
    expect(events).toEqual(['board-pending'])
    const accepted = await services.nodes.accept('pi-7', 'mcu-1', admin)
    expect(accepted).toMatchObject({
      id: 'mcu-1',
      tier: 'mcu',
      parent: 'pi-7',
      online: true,
      inventory: { memoryBytes: 24_576, sensors: ['outdoor'] },
    })
    expect((await services.nodes.show('pi-7')).boards).toMatchObject([{ standing: 'accepted' }])
    expect(gateway.sent.children).toContain('pi-7')
  })

  it('that carries an invitation of this gateway is accepted by itself, once', async () => {
    const gateway = await fleet()
    const { url } = await gateway.services.invites.create({ node: 'mcu-1', tier: 'mcu' }, admin)
    const invite = toUtf8(parseJoinUrl(url).token)
    says(gateway, 'pi-7', boardOf({ node: 'mcu-2', invite }), boardOf({ invite }))
    expect(gateway.store.nodes.get('mcu-1')).toMatchObject({ tier: 'mcu', parent: 'pi-7', publicKey: key })
    expect(gateway.store.nodes.get('mcu-2')).toBeNull()
    await gateway.services.nodes.remove('mcu-1', { force: true }, admin)
    says(gateway, 'pi-7', boardOf({ invite, key: keys.root2.publicKey }))
    expect(gateway.store.nodes.get('mcu-1')).toBeNull()
  })

  it('is online only while its node is, and connected to it', async () => {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf())
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    says(gateway, 'pi-7', boardOf({ connected: false }))
    says(gateway, 'pi-7', boardOf())
    gateway.boards.presence('pi-7', false)
    expect(gateway.told).toEqual([
      ['mcu-1', true],
      ['mcu-1', false],
      ['mcu-1', true],
      ['mcu-1', false],
    ])
  })

  it('moves with its cable, and the node that only remembers it has no say', async () => {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf())
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    says(gateway, 'pi-8', boardOf({ connected: false }))
    expect(gateway.store.nodes.get('mcu-1')?.parent).toBe('pi-7')
    says(gateway, 'pi-8', boardOf())
    says(gateway, 'pi-7', boardOf({ connected: false }))
    expect(gateway.store.nodes.get('mcu-1')).toMatchObject({ parent: 'pi-8', presence: { online: true } })
    expect(gateway.sent.children.slice(-2)).toEqual(['pi-7', 'pi-8'])
  })

  it('with another key under the same id, or under the name of a node, is refused, and shown as such', async () => {
    const gateway = await fleet()
    const { services } = gateway
    says(gateway, 'pi-7', boardOf())
    await services.nodes.accept('pi-7', 'mcu-1', admin)
    says(gateway, 'pi-8', boardOf({ key: keys.root2.publicKey }), boardOf({ node: 'pi-7' }))
    expect((await services.nodes.show('pi-8')).boards).toMatchObject([
      { id: 'mcu-1', standing: 'another-key' },
      { id: 'pi-7', standing: 'name-taken' },
    ])
    expect(gateway.store.nodes.get('mcu-1')?.parent).toBe('pi-7')
    await expect(services.nodes.accept('pi-8', 'mcu-1', admin)).rejects.toMatchObject({ code: 'name-taken' })
    await expect(services.nodes.accept('pi-8', 'pi-7', admin)).rejects.toMatchObject({ code: 'name-taken' })
    await expect(services.nodes.accept('pi-8', 'mcu-9', admin)).rejects.toMatchObject({ code: 'not-found' })
  })

  it('is what the plan places its module on, and gets a directive of its own by way of its node', async () => {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf())
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    const push = async (memoryBytes: number, number: number) =>
      gateway.services.apps.push(pushBody.decode(pushOf([await sampler(memoryBytes)], { number })), admin)
    const small = await push(4_096, 1)
    expect(small.plan.instances.map(({ home, node }) => `${home} on ${node}`)).toEqual([
      'mcu-1 on mcu-1',
      'pi-7 on pi-7',
      'pi-8 on pi-8',
    ])
    const { directive } = gateway.store.directives.get('mcu-1')!
    expect(directive).toMatchObject({
      node: 'mcu-1',
      sections: [{ instances: [{ module: 'sampler', home: 'mcu-1' }] }],
    })
    expect(gateway.sent.directives.map(({ node }) => node)).toContain('mcu-1')
    const [, core] = directive.sections[0]!.contents
    expect(core!.transfer).toMatchObject({ encoding: 'patch', base: null })
    expect(sizeForChildren('pi-7', toHex(core!.transfer.digest), gateway.store)).toBe(core!.transfer.size)
    expect(sizeForChildren('pi-8', toHex(core!.transfer.digest), gateway.store)).toBeUndefined()
    const large = await push(40_000, 2)
    const moved = large.plan.instances.find(({ home }) => home === 'mcu-1')!
    expect(moved.node).toBe('pi-7')
    expect(moved.why.join()).toMatch(/needs .* of memory, mcu-1 has/)
    expect(gateway.store.directives.get('mcu-1')!.directive.sections).toEqual([])
  })

  it('takes no setting that makes its directive longer than it has room for: nothing of it is set', async () => {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf({ envelopeBytes: 2_048 }))
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    await gateway.services.apps.push(pushBody.decode(pushOf([await sampler(4_096)])), admin)
    const { config } = gateway.services
    await config.set('greenhouse', 'note', { value: 'x' }, admin)
    const version = gateway.store.directives.version('mcu-1')
    await expect(config.set('greenhouse', 'note', { value: 'x'.repeat(2_000) }, admin)).rejects.toMatchObject({
      code: 'directive-too-long',
      message: expect.stringMatching(
        /^What mcu-1 is told would take \d+ bytes, and it takes 2048: .*\. Nothing was set$/,
      ),
    })
    expect(await config.list('greenhouse')).toMatchObject([{ value: 'x' }])
    expect(gateway.store.directives.version('mcu-1')).toBe(version)
    await config.set('greenhouse', 'note', { value: 'x'.repeat(2_000), node: 'pi-7' }, admin)
  })

  it('that is told more than it has room for is named in an event', async () => {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf({ envelopeBytes: 300 }))
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    await gateway.services.apps.push(pushBody.decode(pushOf([await sampler(4_096)])), admin)
    const events = gateway.store.events.list({ node: 'mcu-1' })
    expect(events).toMatchObject([{ code: 'directive-too-long' }])
    expect(events[0]!.text).toMatch(/and it takes 300/)
  })

  it('that was removed and comes again is told above what it holds', async () => {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf())
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    await gateway.services.nodes.remove('mcu-1', { force: true }, admin)
    expect(gateway.sent.children.at(-1)).toBe('pi-7')
    says(gateway, 'pi-7', boardOf({ directive: 41 }))
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    await gateway.services.apps.push(pushBody.decode(pushOf([await sampler(4_096)])), admin)
    expect(gateway.store.directives.version('mcu-1')).toBe(42)
    says(gateway, 'pi-7', boardOf({ directive: 0xffff_ffff }))
    await gateway.services.nodes.change('mcu-1', { addLabels: ['south'] }, admin)
    expect(gateway.store.directives.version('mcu-1')).toBe(42)
  })

  it('that is revoked is told nothing more, and what comes in its name counts no more', async () => {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf())
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    await gateway.services.nodes.revoke('mcu-1', {}, admin)
    says(gateway, 'pi-7', boardOf())
    expect(gateway.store.nodes.get('mcu-1')?.presence?.online).toBe(false)
    const word = { kind: 'report', body: new Uint8Array(4), mac: null } as const
    expect(() => gateway.boards.word('pi-7', fromChild.encode({ node: 'mcu-1', incarnation, word }))).toThrow(
      /no board/,
    )
  })

  it('says why it refuses in words', async () => {
    const gateway = await fleet()
    const section = {
      app: 'greenhouse',
      epoch: 1,
      release: new Uint8Array(32),
      status: 'refused',
      code: 'board-full',
      message: null,
      running: null,
      instances: [],
      prepare: null,
    } as const
    says(gateway, 'pi-7', boardOf({ sections: [section], refused: 'wrong-node' }))
    const shown = await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    expect(shown.sections[0]).toMatchObject({
      code: 'board-full',
      message: expect.stringMatching(/no room in its flash/),
    })
    expect(shown.refused).toMatchObject({ code: 'wrong-node', message: expect.stringMatching(/\w+ \w+/) })
  })
})

describe('The reports of a board', () => {
  const body = report.encode({
    incarnation,
    first: 1,
    count: 2,
    baseMs: 1,
    series: [],
    samples: { series: new Uint8Array(), offset: new Uint8Array(), at: new Uint8Array(), value: new Uint8Array() },
    after: null,
    pausedMs: null,
    entries: [],
  })

  async function withSession() {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf())
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    const { word } = gateway.sent.toChildren.at(-1)!.word
    if (word.kind !== 'session') throw new Error('no session was begun')
    const sessionKey = gateway.store.boardSessions.list('mcu-1')[0]!.key
    const say = (word: Parameters<typeof fromChild.encode>[0]['word']) =>
      gateway.boards.word('pi-7', fromChild.encode({ node: 'mcu-1', incarnation, word }))
    return { gateway, sessionKey, publicKey: word.key, say }
  }

  it('are taken with a MAC that only the board can make', async () => {
    const { gateway, sessionKey, publicKey, say } = await withSession()
    say({ kind: 'session', key: publicKey, proof: sessionProof(sessionKey, crypto) })
    say({ kind: 'report', body, mac: macOf(sessionKey, body, crypto) })
    expect(gateway.reported).toEqual(['mcu-1'])
  })

  it('without one, or with another, are passed over, and told; a new session begins', async () => {
    const { gateway, say } = await withSession()
    say({ kind: 'report', body, mac: null })
    say({ kind: 'report', body, mac: new Uint8Array(16) })
    expect(gateway.reported).toEqual([])
    expect(gateway.store.events.list({ node: 'mcu-1' }).map(({ code }) => code)).toContain('board-mac-invalid')
    const before = gateway.sent.toChildren.length
    says(gateway, 'pi-7', boardOf())
    expect(gateway.sent.toChildren.slice(before).map(({ word }) => word.word.kind)).toEqual(['session'])
  })

  it('have a key that both sides come to', () => {
    const seed = new Uint8Array(32).fill(5)
    const own = makeBoxKeys(crypto)
    const boardKey = crypto.publicKey(seed)
    expect(boxKeyOf(boardKey)).toHaveLength(32)
    expect(sessionKeyOf(own, boardKey, crypto)).toHaveLength(32)
    expect(() => boxKeyOf(Uint8Array.of(1, ...new Uint8Array(31)))).toThrow()
  })
})

describe('An input that is longer than the messages of a board', () => {
  const target = { node: 'mcu-1', app: 'greenhouse', module: 'sampler', home: 'mcu-1' }
  const queue = (gateway: TestGateway, bytes: number) =>
    gateway.store.inputs.add({
      ...target,
      topic: 'limit',
      payload: new Uint8Array(bytes),
      queuedAt: 1_800_000_000_000,
    })!

  it('is given up with its size and what there is room for, counted, and shown at the board', async () => {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf())
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    expect(gateway.boards.gaveUp(queue(gateway, 150))).toBe(false)
    expect(gateway.boards.gaveUp(queue(gateway, 300))).toBe(true)
    const [event] = gateway.store.events.list({ node: 'mcu-1' })
    expect(event).toMatchObject({ ...target, code: 'input-too-large' })
    expect(event!.text).toContain(
      'An input of 300 bytes on limit was given up: mcu-1 takes messages of at most 256 bytes',
    )
    expect((await gateway.services.nodes.show('mcu-1')).inputs).toEqual({ waiting: 1, failed: 1 })
  })

  it('is given up too where its node says so', async () => {
    const gateway = await fleet()
    says(gateway, 'pi-7', boardOf())
    await gateway.services.nodes.accept('pi-7', 'mcu-1', admin)
    const { node: _, ...refused } = { ...target, number: queue(gateway, 300).number }
    const note = { kind: 'note', code: 'input-too-large', text: 'An input was given up', refused } as const
    gateway.boards.word('pi-7', fromChild.encode({ node: 'mcu-1', incarnation, word: note }))
    gateway.boards.word(
      'pi-7',
      fromChild.encode({ node: 'mcu-1', incarnation, word: { ...note, refused: { ...refused, number: 5 } } }),
    )
    expect(gateway.store.events.list({ node: 'mcu-1' })).toMatchObject([{ ...target, code: 'input-too-large' }])
    expect((await gateway.services.nodes.show('mcu-1')).inputs).toEqual({ waiting: 0, failed: 1 })
  })
})
