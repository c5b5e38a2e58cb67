import { commit } from '@hypha/core/trust/commit.ts'
import { directive } from '@hypha/core/trust/directive.ts'
import { receipt } from '@hypha/core/trust/receipt.ts'
import { release } from '@hypha/core/trust/release.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { trustSnapshot } from '@hypha/core/trust/snapshot.ts'
import { ack } from '@hypha/core/wire/messages/ack.ts'
import { fromChild, toChild } from '@hypha/core/wire/messages/child.ts'
import { childrenMessage } from '@hypha/core/wire/messages/children.ts'
import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import { inputs } from '@hypha/core/wire/messages/input.ts'
import { joinAnswer, joinRequest, renewRequest } from '@hypha/core/wire/messages/join.ts'
import { leaseAnswer, leaseAsk } from '@hypha/core/wire/messages/lease.ts'
import { linkMessage } from '@hypha/core/wire/messages/link.ts'
import { linkCounts } from '@hypha/core/wire/messages/link-counts.ts'
import { presence } from '@hypha/core/wire/messages/presence.ts'
import { progress } from '@hypha/core/wire/messages/progress.ts'
import { releaseMessage } from '@hypha/core/wire/messages/release.ts'
import { report } from '@hypha/core/wire/messages/report.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { state } from '@hypha/core/wire/messages/state.ts'
import { timeAnswer, timeAsk } from '@hypha/core/wire/messages/time.ts'
import { vitals } from '@hypha/core/wire/messages/vitals.ts'
import { want } from '@hypha/core/wire/messages/want.ts'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { keyFile } from '../../../gateway/keys/key-box.ts'
import { inventoryOf } from '../../gateway/api/gateway.ts'
import {
  artifact,
  componentBytes,
  makeCommit,
  makeDirective,
  makeModule,
  makeReceipt,
  makeRelease,
  makeRoot,
  makeSection,
  signDirective,
  signRelease,
  signRoot,
  startMs,
} from '../../support/signed.ts'
import type { Target } from '../target.ts'
import { codecTarget } from './codec.ts'

const incarnation = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const digest = new Uint8Array(32).fill(7)
const instance = { app: 'greenhouse', module: 'sampler', home: 'pi-7' }
const nothing = new Uint8Array(0)

const sampler = makeModule({
  world: {
    imports: [
      {
        name: 'hypha:host/sensor@0.1.0',
        funcs: [
          {
            name: 'all',
            params: [{ name: 'of', type: { kind: 'list', of: { kind: 'tuple', items: ['u8', 'char'] } } }],
            result: { kind: 'record', fields: [{ name: 'x', type: { kind: 'option', of: 's64' } }] },
          },
          {
            name: 'read',
            params: [{ name: 'id', type: 'string' }],
            result: { kind: 'result', ok: 'f64', err: 'string' },
          },
        ],
      },
    ],
    exports: [],
  },
})
const built = makeRelease({ modules: [sampler, makeModule({ name: 'ledger', core: null })] })
const agentRelease = makeRelease({
  app: 'hypha-agent',
  modules: [],
  files: [{ name: 'agent.js', arch: null, artifact: artifact(componentBytes) }],
})
const [section] = [makeSection(built)]
const links = [
  { interface: 'hypha:host/sensor@0.1.0', provider: { kind: 'host' as const } },
  {
    interface: 'app:x/y@1.0.0',
    provider: { kind: 'instance' as const, node: 'edge', module: 'ledger', home: null },
  },
]
const config = {
  unit: { kind: 'plain' as const, value: 'C' },
  token: {
    kind: 'sealed' as const,
    senderKey: digest,
    nonce: digest.slice(0, 24),
    box: Uint8Array.of(1, 2, 3),
  },
}
const asked = makeDirective({
  sections: [{ ...section!, instances: [{ module: 'sampler', home: 'pi-7', form: 'core', links, config }] }],
})

export const messageTargets: readonly Target[] = [
  codecTarget(rootMetadata, [makeRoot()]),
  codecTarget(release, [built, agentRelease]),
  codecTarget(directive, [asked, makeDirective({ leave: true, sections: [] })]),
  codecTarget(commit, [makeCommit(section!)]),
  codecTarget(receipt, [makeReceipt(), makeReceipt({ from: null, errorMs: Number.POSITIVE_INFINITY, late: true })]),
  codecTarget(releaseMessage, [{ app: 'greenhouse', release: digest, attachments: [Uint8Array.of(1, 2), nothing] }]),
  codecTarget(trustSnapshot, [
    {
      fleet: 'garden',
      node: 'pi-7',
      root: rootMetadata.encode(makeRoot()),
      directive: signDirective(asked),
      gatewayTimeMs: startMs,
      floors: [{ app: 'greenhouse', floor: 3 }],
    },
  ]),
  codecTarget(ack, [
    { incarnation, upTo: 2 ** 33, anew: null },
    { incarnation, upTo: 7, anew: true },
  ]),
  codecTarget(directiveMessage, [{ envelope: signDirective(asked), attachments: [Uint8Array.of(1, 2, 3), nothing] }]),
  codecTarget(inputs, [
    {
      inputs: [
        { source: incarnation, number: 9, ...instance, topic: 'a/b', payload: Uint8Array.of(1), publisher: 'pi-8' },
      ],
    },
  ]),
  codecTarget(joinRequest, [
    {
      node: 'pi-7',
      token: 'a'.repeat(43),
      publicKey: digest,
      boxKey: digest,
      proof: new Uint8Array(64).fill(3),
    },
  ]),
  codecTarget(renewRequest, [{ node: 'pi-7', proof: new Uint8Array(64).fill(3) }]),
  codecTarget(joinAnswer, [
    {
      fleet: 'garden',
      tier: 'device',
      certificate: '-----BEGIN CERTIFICATE-----',
      ca: '-----BEGIN CERTIFICATE-----',
      root: signRoot(makeRoot()),
      brokerHost: '::1',
      brokerPort: 8883,
    },
  ]),
  codecTarget(linkMessage, [
    {
      kind: 'call',
      id: new Uint8Array(16).fill(5),
      app: 'greenhouse',
      interface: 'greenhouse:plants/advice@1.0.0',
      digest,
      func: 'advise',
      caller: { module: 'smooth', home: 'pi-7' },
      callee: { module: 'advisor', home: null },
      home: 'pi-7',
      budgetMs: 5_000,
      path: ['pi-7/greenhouse'],
      args: Uint8Array.of(0x81, 1),
    },
    { kind: 'reply', id: new Uint8Array(16), outcome: { kind: 'ok', result: nothing }, again: false },
    {
      kind: 'reply',
      id: new Uint8Array(16),
      outcome: { kind: 'failed', code: 'link-busy', message: 'x', ran: 'no' },
      again: true,
    },
    { kind: 'cancel', id: new Uint8Array(16) },
  ]),
  codecTarget(linkCounts, [
    {
      sinceMs: 1,
      links: [
        {
          app: 'greenhouse',
          caller: { module: 'smooth', home: 'pi-7' },
          interface: 'greenhouse:plants/advice@1.0.0',
          node: 'edge',
          callee: { module: 'advisor', home: null },
          calls: 3,
          failures: [{ code: 'link-busy', count: 1 }],
          bytesOut: 30,
          bytesIn: 2,
          latency: [0, 1, 2],
        },
      ],
    },
  ]),
  codecTarget(vitals, [{ battery: { value: 12.5, bound: 20, clear: 30, forMs: 10_000 }, freeMemory: null, cpu: null }]),
  codecTarget(presence, [
    { connection: 7, online: true, run: incarnation, journal: { incarnation, upTo: 12 } },
    { connection: 7, online: false, run: null, journal: null },
  ]),
  codecTarget(progress, [{ app: 'greenhouse', epoch: 1, release: digest, bytes: 5, ofBytes: 2 ** 40 }]),
  codecTarget(report, [
    {
      incarnation,
      first: 100,
      count: 9,
      baseMs: startMs,
      series: [{ ...instance, metric: 'temperature', epoch: 3 }],
      samples: {
        series: new Uint8Array(4),
        offset: Uint8Array.of(0, 0, 1, 0),
        at: new Uint8Array(8),
        value: new Uint8Array(16),
      },
      after: 90,
      pausedMs: 12,
      entries: [
        { offset: 2, at: 1, entry: { kind: 'log', ...instance, level: 'warn', text: 'dry' } },
        { offset: 3, at: 1, entry: { kind: 'event', app: null, module: null, home: null, code: 'x', text: 'y' } },
        {
          offset: 4,
          at: 1,
          entry: {
            kind: 'message',
            ...instance,
            topic: 'a/b',
            payload: Uint8Array.of(1),
            served: [{ module: 'm', home: null }],
          },
        },
        {
          offset: 5,
          at: 1,
          entry: { kind: 'handled', ...instance, source: incarnation, number: 4, outcome: 'ok', effects: 3 },
        },
        { offset: 6, at: 1, entry: { kind: 'gap', upToMs: 5, reason: 'power cut' } },
      ],
    },
  ]),
  codecTarget(rootChain, [{ envelopes: [signRoot(makeRoot()), signRoot(makeRoot({ version: 2 }))] }]),
  codecTarget(state, [
    {
      incarnation,
      tier: 'device',
      bootedMs: 1,
      inventory: inventoryOf('device', { sensors: ['temperature'], labels: ['a=b'], updates: ['hypha-agent'] }),
      directive: 3,
      sections: [
        {
          app: 'greenhouse',
          epoch: 1,
          release: digest,
          status: 'reverted',
          code: 'turn-trapped',
          message: 'sampler trapped',
          running: null,
          prepare: {
            epoch: 2,
            release: digest,
            wave: 63,
            status: 'not-flipped',
            code: 'swap-over-budget',
            message: 'slow',
            rehearsal: { restoreMs: 3, stateBytes: 65_536 },
            clock: { rttMs: 0.7, errorMs: 0.4 },
          },
          instances: [{ module: 'sampler', home: null, status: 'backoff', restarts: 2, turns: 4, error: 'no' }],
        },
      ],
      contents: [digest],
      refused: { code: 'wrong-node', message: 'no' },
      children: [
        {
          node: 'mcu-1',
          key: digest,
          invite: null,
          connected: true,
          incarnation,
          inventory: inventoryOf('mcu', { sensors: ['temperature'] }),
          slotBytes: 65_536,
          messageBytes: 256,
          envelopeBytes: 8_192,
          root: 1,
          directive: 2,
          sections: [],
          contents: [digest],
          refused: 'directive-rollback',
        },
      ],
    },
  ]),
  codecTarget(childrenMessage, [{ children: [{ node: 'mcu-1', envelope: digest }] }]),
  codecTarget(toChild, [
    { node: 'mcu-1', word: { kind: 'ack', incarnation, upTo: 7, anew: null } },
    { node: 'mcu-1', word: { kind: 'session', key: digest, proof: null } },
  ]),
  codecTarget(fromChild, [
    { node: 'mcu-1', incarnation, word: { kind: 'report', body: digest, mac: digest.subarray(16) } },
    { node: 'mcu-1', incarnation, word: { kind: 'session', key: digest, proof: digest.subarray(16) } },
  ]),
  codecTarget(leaseAsk, [
    { nonce: incarnation, forMs: 3_000, instances: [{ app: 'greenhouse', module: 'ledger', home: null, epoch: 4 }] },
  ]),
  codecTarget(leaseAnswer, [{ nonce: incarnation, forMs: 3_000, granted: [0, 2] }]),
  codecTarget(timeAsk, [{ number: 7 }]),
  codecTarget(timeAnswer, [{ number: 7, nowMs: startMs + 0.25 }]),
  codecTarget(want, [{ digest, ranges: [{ first: 0, count: 4 }] }]),
  codecTarget(pushBody, [{ envelope: signRelease(built), components: [componentBytes] }], 'body of POST /v1/push'),
  codecTarget(keyFile, [
    { fleet: 'garden', role: 'release', publicKey: digest, protection: { kind: 'none', plain: Uint8Array.of(1) } },
    {
      fleet: 'garden',
      role: 'root',
      publicKey: digest,
      protection: {
        kind: 'passphrase',
        log2N: 15,
        r: 8,
        p: 1,
        salt: digest,
        nonce: digest.slice(0, 24),
        box: Uint8Array.of(1),
      },
    },
  ]),
]
