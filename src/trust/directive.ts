import {
  bool,
  bytes,
  dictionary,
  list,
  message,
  nullable,
  oneOf,
  record,
  type TypeOf,
  text,
  uint,
  union,
} from '../wire/codec.ts'
import { digest, id, interfaceName } from '../wire/ids.ts'

/** Who serves an import: the node itself, another instance, or of a device-scoped module the instance of the device that the call is meant for. */
const provider = union(
  ['host', record({})],
  ['instance', record({ node: [1, id], module: [2, id], home: [3, nullable(id)] })],
  ['device', record({ module: [1, id] })],
)

const link = record({ interface: [1, interfaceName], provider: [2, provider] })

/** A value set by the operator over the release's own; secrets are sealed to the node's X25519 key (tweetnacl `box`). */
const setting = union(
  ['plain', record({ value: [1, text(4_096)] })],
  [
    'sealed',
    record({ senderKey: [1, bytes({ exact: 32 })], nonce: [2, bytes({ exact: 24 })], box: [3, bytes({ max: 4_200 })] }),
  ],
)

const instance = record({
  module: [1, id],
  /** The device that a device-scoped instance belongs to; null for one that is shared. */
  home: [2, nullable(id)],
  form: [3, oneOf('core', 'component')],
  /** Every import, and nothing else, is linked: what isn't listed here, the instance does not see. */
  links: [4, list(link, 128)],
  config: [5, dictionary(setting, 64)],
})

/** How a content gets to this node: these bytes are sent, and decode to the content. */
const transfer = record({
  /** `patch`: as `src/delta` makes it, over `base`. */
  encoding: [1, oneOf('identity', 'brotli', 'patch')],
  /** The content that a patch applies to; null where the bytes stand alone. */
  base: [2, nullable(digest)],
  digest: [3, digest],
  size: [4, uint(64 * 1024 * 1024)],
  /** `release`: the bytes are also in the app's retained release message, which is published once for all nodes. Null: inline or in chunks. [P 7.8] */
  via: [5, nullable(oneOf('release'))],
})

const content = record({
  digest: [1, digest],
  size: [2, uint(64 * 1024 * 1024)],
  transfer: [3, transfer],
})

/** Callers of one instance, and devices of one module. */
export const maxPeers = 2_048

export const maxServed = 256

export const maxDeviceModules = 64

/** Calls from elsewhere that an instance of this node answers; any other is refused. [P 11.1] */
const served = record({
  module: [1, id],
  home: [2, nullable(id)],
  interface: [3, interfaceName],
  callers: [4, list(record({ node: [1, id], module: [2, id], home: [3, nullable(id)] }), maxPeers)],
})

/** Where the instances of a device-scoped module run, for links to whichever device a call is meant for. */
const deviceInstances = record({
  module: [1, id],
  at: [2, list(record({ home: [1, id], node: [2, id] }), maxPeers)],
})

/** What an instance that comes from elsewhere goes on from. It is taken over once, also where the same directive comes again, or the node starts anew. */
const handed = record({
  module: [1, id],
  home: [2, nullable(id)],
  /** Rises with each move of the instance: what was taken over by an earlier one gives way. */
  move: [3, uint(Number.MAX_SAFE_INTEGER, 1)],
  /** Of a `kept`, and its size. */
  digest: [4, digest],
  size: [5, uint(64 * 1024 * 1024)],
  /** Turns that its state lacks. */
  turns: [6, uint()],
})

/** Of one rollout. */
export const maxWaves = 64

/** One app's part of a directive. */
export const section = record({
  app: [1, id],
  /** Rises with every activation of the app. */
  epoch: [2, uint(0xffff_ffff, 1)],
  /** Digest of the release's payload. */
  release: [3, digest],
  /** Digest of the release's signed envelope, which is one of `contents`. */
  envelope: [4, digest],
  /** `run`: to be run now. `prepare`: to be made ready beside what runs, and to be run at the instant that a commit names. An app has at most one section of each. */
  phase: [5, oneOf('run', 'prepare')],
  instances: [6, list(instance, 256)],
  contents: [7, list(content, 513)],
  /** When an operator last said which release of the app is to run: what was said earlier can't take its place. Null where that was never written down. */
  chosenMs: [8, nullable(uint())],
  /** Of a section to prepare: the wave of the rollout that the node is in, from 0 on; null for all others. */
  wave: [9, nullable(uint(maxWaves - 1))],
  /** Instances that run only while this node has a lease of them; null for none. [P 12.1] */
  leased: [13, nullable(list(record({ module: [1, id], home: [2, nullable(id)] }), 256))],
  // Both say who is there, not what runs: that another node came or went is no activation.
  served: [10, nullable(list(served, maxServed))],
  devices: [11, nullable(list(deviceInstances, maxDeviceModules))],
  /** What instances go on from that were elsewhere before: each is one of `contents`. Null where there is none. [P 13.4] */
  states: [12, nullable(list(handed, 256))],
})

/** The gateway's word to one node: per app, which instances to run, with which links. What is not in it is removed from the node. */
export const directive = message(
  'directive',
  record({
    fleet: [1, id],
    node: [2, id],
    /** Rises with each directive to this node. */
    version: [3, uint(0xffff_ffff, 1)],
    issuedMs: [4, uint()],
    expiresMs: [5, uint()],
    sections: [6, list(section, 64)],
    /** The node has been removed from the fleet: it deletes what it holds, its own keys last. */
    leave: [7, bool],
  }),
)

export type Directive = TypeOf<typeof directive>
export type Section = TypeOf<typeof section>
export type DirectiveInstance = TypeOf<typeof instance>
export type Link = TypeOf<typeof link>
export type ServedLink = TypeOf<typeof served>
export type DeviceInstances = TypeOf<typeof deviceInstances>
export type HandedState = TypeOf<typeof handed>
export type Setting = TypeOf<typeof setting>
export type Content = TypeOf<typeof content>
export type Transfer = TypeOf<typeof transfer>
