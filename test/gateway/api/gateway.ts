import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import type { ModuleSpec, Release } from '@hypha/core/trust/release.ts'
import { makeBoxKeys } from '@hypha/core/trust/seal.ts'
import type { ToChild } from '@hypha/core/wire/messages/child.ts'
import { type Inventory, type NodeState, state, type Tier } from '@hypha/core/wire/messages/state.ts'
import { onTestFinished } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { type ApiOptions, createApi, listenOnPort, listenOnSocket } from '../../../gateway/admin/api/server.ts'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { describeModule, releasePayload, signRelease } from '../../../gateway/push/release.ts'
import { Roots } from '../../../gateway/roots.ts'
import { callerByToken } from '../../../gateway/services/access.ts'
import type { GatewayDeps } from '../../../gateway/services/deps.ts'
import { createGateway } from '../../../gateway/services/services.ts'
import { openStore } from '../../../gateway/store/store.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { crypto, keys, makeModule, makeRoot, signRoot } from '../../support/signed.ts'
import { componentOf, wat } from '../../support/wasm-guest.ts'
import type { Where } from './calls.ts'

/** What the gateway has sent out, in place of a broker. */
interface Sent {
  readonly directives: Directive[]
  readonly commits: { readonly app: string; readonly envelope: Uint8Array }[]
  readonly forgotten: string[]
  readonly revoked: string[]
  readonly replaced: string[]
  readonly appsRemoved: string[]
  readonly clientsRemoved: string[]
  /** Versions of root metadata that nodes were to follow. */
  readonly roots: number[]
  readonly inputsMoved: string[]
  readonly failures: unknown[]
  /** Nodes whose boards' directives were brought to them. */
  readonly children: string[]
  readonly toChildren: { readonly parent: string; readonly word: ToChild }[]
}

const boxKeys = makeBoxKeys(crypto)
const fleet = 'garden'

/** The gateway's services over a real database, without a broker. */
export function startGateway(path = temporaryFile('hypha.db')) {
  return openGateway(path, (undo) => onTestFinished(undo))
}

/** The same outside of a test; `atEnd` gets what there is to undo. */
export async function openGateway(path: string, atEnd: (undo: () => void) => void) {
  const store = openStore(path, { fleet })
  atEnd(() => store.close())
  const clock = new FakeClock()
  const authority = await createAuthority(fleet, () => clock.now())
  const sent: Sent = {
    directives: [],
    commits: [],
    forgotten: [],
    revoked: [],
    replaced: [],
    appsRemoved: [],
    clientsRemoved: [],
    roots: [],
    inputsMoved: [],
    failures: [],
    children: [],
    toChildren: [],
  }
  const roots = testRoots(atEnd)
  /** Who signs directives: to be replaced with the root metadata that says so. */
  const signing = { by: keys.gateway }
  const deps: GatewayDeps = {
    store,
    crypto,
    clock,
    nowMs: () => clock.now(),
    twoPhases: 'asked',
    version: '0.1.0',
    root: () => roots.current,
    rootDigest: 'ab'.repeat(32),
    roots: {
      get chain() {
        return roots.chain
      },
      add: (envelopes, nowMs) => roots.add(envelopes, nowMs),
      problem: () => null,
    },
    signer: () => signing.by,
    boxKeys,
    authority,
    address: () => ({ host: 'gateway.example', httpPort: 8443, mqttPort: 8883 }),
    outlet: {
      directive: ({ directive }) => void sent.directives.push(directive),
      children: (parent) => void sent.children.push(parent),
      toChild: (parent, word) => void sent.toChildren.push({ parent, word }),
      commit: (app, envelope) => void sent.commits.push({ app, envelope }),
      nodeForgotten: (node) => void sent.forgotten.push(node),
      nodeRevoked: (node) => void sent.revoked.push(node),
      nodeReplaced: (node) => void sent.replaced.push(node),
      appRemoved: (app) => void sent.appsRemoved.push(app),
      root: async () => void sent.roots.push(roots.current.version),
      clientRemoved: (name) => void sent.clientsRemoved.push(name),
      inputsMoved: (nodes) => void sent.inputsMoved.push(...nodes),
    },
    onFailure: (error) => void sent.failures.push(error),
  }
  const gateway = createGateway(deps)
  atEnd(() => gateway.pipeline.stop())
  return { ...gateway, deps, store, clock, authority, signing, sent, path }
}

/** The chain of root metadata of the fixed fleet, in a folder of its own. */
function testRoots(atEnd: (undo: () => void) => void): Roots {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-roots-'))
  atEnd(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, '1.root'), signRoot(makeRoot()))
  return new Roots({ files: nodeFiles(folder), folder, fleet, crypto })
}

export type TestGateway = Awaited<ReturnType<typeof startGateway>>

function temporaryFile(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-api-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, name)
}

/** The API on a real Unix socket. */
export async function onSocket(
  { services }: TestGateway,
  options: Partial<ApiOptions> = {},
): Promise<Where & { socketPath: string }> {
  const api = await createApi(services, { trust: { kind: 'local' }, ...options })
  onTestFinished(() => api.close())
  const socketPath = temporaryFile('api.sock')
  await listenOnSocket(api, socketPath)
  return { socketPath }
}

/** The API on a real TLS port. */
export async function onTls(gateway: TestGateway, options: Partial<ApiOptions> = {}): Promise<Where> {
  const { certificate, key } = await gateway.authority.issueServer({ names: ['127.0.0.1'] })
  const trust = { kind: 'tokens', find: callerByToken(gateway.deps) } as const
  const api = await createApi(gateway.services, { trust, tls: { certificate, key }, ...options })
  onTestFinished(() => api.close())
  const port = await listenOnPort(api, '127.0.0.1', 0)
  return { port, ca: gateway.authority.certificate }
}

const everywhere = ['log', 'clock', 'config', 'telemetry', 'kv', 'messages']
const own: Record<Tier, string[]> = { mcu: ['sensor'], device: ['sensor'], edge: ['sql'], cloud: ['http'] }

export function inventoryOf(tier: Tier, changes: Partial<Inventory> = {}): Inventory {
  return {
    agentVersion: '0.1.0',
    arch: 'x64',
    os: 'linux',
    memoryBytes: 64 * 1024 * 1024,
    storageBytes: 1024 ** 3,
    interfaces: [...everywhere, ...own[tier]].map((name) => `hypha:host/${name}@0.1.0`),
    features: [],
    forms: ['core'],
    sensors: [],
    actuators: [],
    labels: [],
    updates: null,
    ...changes,
  }
}

/** A node that has joined, as enrolment enters it. */
export function joined(
  gateway: TestGateway,
  id: string,
  tier: Tier = 'device',
  boxKey = makeBoxKeys(crypto).publicKey,
): void {
  gateway.store.nodes.put({
    id,
    tier,
    publicKey: keys.root2.publicKey,
    boxKey,
    fingerprint: 'cd'.repeat(32),
    certificateExpiresAt: gateway.clock.now() + 365 * 86_400_000,
    labels: [],
    createdAt: gateway.clock.now(),
  })
}

/** What a node reports of itself, as ingest stores it and tells it. */
export function reports(
  gateway: TestGateway,
  id: string,
  tier: Tier = 'device',
  changes: Partial<NodeState> = {},
): void {
  const reported: NodeState = {
    incarnation: new Uint8Array(8),
    tier,
    bootedMs: 1,
    inventory: inventoryOf(tier),
    directive: 0,
    sections: [],
    contents: [],
    refused: null,
    children: null,
    ...changes,
  }
  gateway.store.nodes.setPresence(id, { connection: 1, online: true, run: null, journal: null }, gateway.clock.now())
  gateway.store.nodes.setState(id, state.encode(reported), reported.inventory, gateway.clock.now())
  gateway.reports.state(id, reported)
}

/** A small fleet: two devices, an edge and a cloud. */
export async function startFleet(): Promise<TestGateway> {
  const gateway = await startGateway()
  for (const [id, tier] of [
    ['pi-7', 'device'],
    ['pi-8', 'device'],
    ['gw-edge', 'edge'],
    ['cloud-1', 'cloud'],
  ] as const) {
    joined(gateway, id, tier)
    reports(gateway, id, tier)
  }
  return gateway
}

/** A real component that imports some host interfaces; the first of them with one function. */
export async function componentImporting(...names: string[]): Promise<Uint8Array> {
  const interfaces = names.map((name) => `interface ${name} { touch: func(n: u32); }`).join('\n')
  const wit = `package hypha:host@0.1.0;\n${interfaces}\nworld w { ${names.map((name) => `import ${name};`).join(' ')} }`
  const imports = names.map((name) => `(import "hypha:host/${name}@0.1.0" "touch" (func (param i32)))`).join('\n')
  return componentOf(await wat(`(module ${imports} (memory (export "memory") 1))`), wit)
}

export interface AppModule {
  readonly name: string
  readonly component: Uint8Array
  readonly spec?: Partial<ModuleSpec>
}

/** As an author makes it whose tools check nothing: that the modules fit together is for the gateway to find out. */
export function releaseOf(modules: readonly AppModule[], changes: Partial<Release> = {}): Release {
  return {
    fleet,
    app: 'greenhouse',
    number: 1,
    label: '1.0.0',
    createdMs: 1,
    floor: 0,
    modules: modules.map(
      ({ name, component, spec }) =>
        describeModule({ name, component, spec: { ...makeModule().spec, timerMs: null, ...spec } }, crypto).described,
    ),
    files: null,
    rollout: null,
    follow: null,
    ...changes,
  }
}

/** The body of a push, signed by the release role. */
export const pushOf = (modules: readonly AppModule[], changes: Partial<Release> = {}): Uint8Array => {
  const envelope = signRelease(releasePayload(releaseOf(modules, changes)), [keys.release])
  const components = new Map(modules.map(({ component }) => [toHex(crypto.sha256(component)), component]))
  return pushBody.encode({ envelope, components: [...components.values()] })
}
