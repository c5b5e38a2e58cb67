import { bool, bytes, float, list, message, nullable, oneOf, record, type TypeOf, text, uint } from '../codec.ts'
import { digest, id, incarnation, interfaceName } from '../ids.ts'

export const tiers = ['mcu', 'device', 'edge', 'cloud'] as const
export type Tier = (typeof tiers)[number]
export const tier = oneOf(...tiers)

const label = text(64, /^[a-z0-9][a-z0-9.=_-]*$/)

const inventory = record({
  agentVersion: [1, text(40)],
  /** As Node names them: "arm64", "linux". */
  arch: [2, text(20)],
  os: [3, text(20)],
  /** What modules may have together. */
  memoryBytes: [4, uint()],
  storageBytes: [5, uint()],
  /** Host interfaces that this node provides. */
  interfaces: [6, list(interfaceName, 64)],
  /** WebAssembly features that its engine runs. */
  features: [7, list(text(40), 32)],
  /** Forms of modules that it runs. */
  forms: [8, list(oneOf('core', 'component'), 2)],
  sensors: [9, list(text(64), 64)],
  actuators: [10, list(text(64), 64)],
  /** Labels from the node's own file. */
  labels: [11, list(label, 32)],
  /** Built-in apps whose releases it installs by itself, such as `hypha-agent`; null for none. */
  updates: [12, nullable(list(id, 4))],
})

const instanceState = record({
  module: [1, id],
  home: [2, nullable(id)],
  /** `waiting`: it runs once this node has a lease of it. */
  status: [3, oneOf('starting', 'running', 'backoff', 'failed', 'stopped', 'waiting')],
  /** Since the section became active. */
  restarts: [4, uint(0xffff_ffff)],
  turns: [5, uint()],
  /** The last failure, in words. */
  error: [6, nullable(text(1_000))],
})

/** How far a node is with what it is to prepare. */
const prepareState = record({
  epoch: [1, uint(0xffff_ffff)],
  release: [2, digest],
  wave: [3, uint(63)],
  /** `prepared`: all that can be known before the flip is known, and it works. `committed`: a commit came and is written down. `not-flipped`: it failed at the flip, and what ran before runs on. */
  status: [4, oneOf('receiving', 'preparing', 'prepared', 'committed', 'not-flipped', 'refused')],
  code: [5, nullable(text(40))],
  message: [6, nullable(text(1_000))],
  /** Of a rehearsal with state saved at that moment: how long `restore` took (ms, rounded up), and bytes of state. Null where there was none to restore. */
  rehearsal: [7, nullable(record({ restoreMs: [1, uint()], stateBytes: [2, uint()] }))],
  /** The worst of the node's newest round trips to the gateway's clock (ms), and the bound of its error (ms); null while it has none. */
  clock: [8, nullable(record({ rttMs: [1, float], errorMs: [2, float] }))],
})

const sectionState = record({
  app: [1, id],
  epoch: [2, uint(0xffff_ffff)],
  release: [3, digest],
  /** `trial`: it runs and isn't confirmed yet. `reverted`: it failed, and the last confirmed release runs in its place. */
  status: [4, oneOf('receiving', 'preparing', 'trial', 'confirmed', 'reverted', 'refused')],
  code: [5, nullable(text(40))],
  message: [6, nullable(text(1_000))],
  /** The release that runs in fact; null where none does. */
  running: [7, nullable(digest)],
  instances: [8, list(instanceState, 256)],
  /** What is being prepared beside it; null where nothing is. */
  prepare: [9, nullable(prepareState)],
})

/** Boards that one node may have. */
export const maxChildren = 16

/** A microcontroller at a serial port of the node: it has no connection of its own, and speaks through its node's. */
const childState = record({
  /** Its own id, which it keeps on whatever node. */
  node: [1, id],
  /** Its Ed25519 key: with another key it is another board. */
  key: [2, bytes({ exact: 32 })],
  /** What it was flashed with to be accepted by; null where somebody has to. */
  invite: [3, nullable(bytes({ max: 64 }))],
  /** Whether it is connected to the node now; what follows is as it was last seen. */
  connected: [4, bool],
  incarnation: [5, incarnation],
  inventory: [6, inventory],
  /** The largest content that it takes, and the longest envelope. */
  slotBytes: [7, uint(0xffff_ffff)],
  envelopeBytes: [8, uint(0xffff_ffff)],
  /** Versions of the root metadata and of the directive that it holds; 0 for none. */
  root: [9, uint(0xffff_ffff)],
  directive: [10, uint(0xffff_ffff)],
  sections: [11, list(sectionState, 16)],
  contents: [12, list(digest, 16)],
  /** Why it refused the directive that is meant for it: a code of docs/errors.md; null where it didn't. */
  refused: [13, nullable(text(40))],
  /** The longest message that it takes; null where its node doesn't say. [S 3.2] */
  messageBytes: [14, nullable(uint(0xffff_ffff))],
})

/** Retained on `n/<node>/state`: what the node is, and what runs on it. */
export const state = message(
  'state',
  record({
    incarnation: [1, incarnation],
    tier: [2, tier],
    bootedMs: [3, uint()],
    inventory: [4, inventory],
    /** Version of the directive that the node holds; 0 before the first. */
    directive: [5, uint(0xffff_ffff)],
    sections: [6, list(sectionState, 64)],
    /** What it holds, as a base for patches. */
    contents: [7, list(digest, 512)],
    /** Why the last directive was refused; null where it wasn't. */
    refused: [8, nullable(record({ code: [1, text(40)], message: [2, text(1_000)] }))],
    /** Its boards, connected or not, of those that it has seen since it started; null where it has no bridge. */
    children: [9, nullable(list(childState, maxChildren))],
  }),
)

export type NodeState = TypeOf<typeof state>
export type Inventory = TypeOf<typeof inventory>
export type PrepareState = TypeOf<typeof prepareState>
export type SectionState = TypeOf<typeof sectionState>
export type ChildState = TypeOf<typeof childState>
export type InstanceState = TypeOf<typeof instanceState>
