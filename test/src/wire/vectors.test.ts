import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { leaseAnswer, leaseAsk } from '@hypha/core/wire/messages/lease.ts'
import { releaseMessage } from '@hypha/core/wire/messages/release.ts'
import { type NodeState, state } from '@hypha/core/wire/messages/state.ts'
import { timeAnswer, timeAsk } from '@hypha/core/wire/messages/time.ts'
import { vitals } from '@hypha/core/wire/messages/vitals.ts'
import { describe, expect, it } from 'vitest'
import { startMs } from '../../support/signed.ts'

// As for what is signed (test/src/trust/vectors.test.ts): the bytes are fixed, and other programs read the same files.

const digest = new Uint8Array(32).fill(7)
const left = {
  battery: { value: 12.5, bound: 20, clear: 30, forMs: 10_000 },
  freeMemory: { value: 8_388_608, bound: 67_108_864, clear: 134_217_728, forMs: 60_000 },
  cpu: null,
}
const said: NodeState = {
  incarnation: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  tier: 'device',
  bootedMs: startMs,
  inventory: {
    agentVersion: '1.0.0',
    arch: 'arm64',
    os: 'linux',
    memoryBytes: 67_108_864,
    storageBytes: 1_073_741_824,
    interfaces: ['hypha:host/log@0.1.0'],
    features: [],
    forms: ['core'],
    sensors: ['temperature'],
    actuators: [],
    labels: ['canary'],
    updates: null,
  },
  directive: 3,
  sections: [
    {
      app: 'greenhouse',
      epoch: 1,
      release: digest,
      status: 'confirmed',
      code: null,
      message: null,
      running: digest,
      instances: [{ module: 'sampler', home: null, status: 'running', restarts: 0, turns: 9, error: null }],
      prepare: {
        epoch: 2,
        release: digest.map(() => 9),
        wave: 1,
        status: 'prepared',
        code: null,
        message: null,
        rehearsal: { restoreMs: 2, stateBytes: 65_536 },
        clock: { rttMs: 3.5, errorMs: 1.75 },
      },
    },
  ],
  contents: [digest],
  refused: null,
  children: null,
}
const published = { app: 'greenhouse', release: digest, attachments: [Uint8Array.of(1, 2, 3)] }

const nonce = said.incarnation
const asked = {
  nonce,
  forMs: 45_000,
  instances: [
    { app: 'greenhouse', module: 'ledger', home: null, epoch: 4 },
    { app: 'greenhouse', module: 'smooth', home: 'pi-7', epoch: 0 },
  ],
}
const granted = { nonce, forMs: 45_000, granted: [0] }

const encoded = {
  state: [state.encode(said), state.decode, said],
  'release-message': [releaseMessage.encode(published), releaseMessage.decode, published],
  'lease-ask': [leaseAsk.encode(asked), leaseAsk.decode, asked],
  'lease-answer': [leaseAnswer.encode(granted), leaseAnswer.decode, granted],
  vitals: [vitals.encode(left), vitals.decode, left],
  'time-ask': [timeAsk.encode({ number: 7 }), timeAsk.decode, { number: 7 }],
  'time-answer': [
    timeAnswer.encode({ number: 7, nowMs: startMs + 0.25 }),
    timeAnswer.decode,
    { number: 7, nowMs: startMs + 0.25 },
  ],
} as const

describe('The bytes of messages', () => {
  it.each(Object.keys(encoded) as (keyof typeof encoded)[])('are those in test/vectors/%s.json', async (name) => {
    const [bytes, decode, value] = encoded[name]
    const shown = { message: toHex(bytes) }
    await expect(`${JSON.stringify(shown, null, 2)}\n`).toMatchFileSnapshot(`../../vectors/${name}.json`)
    expect(decode(fromHex(shown.message))).toEqual(value)
  })
})
