import { maxValuesBytes } from '../wasm/caps.ts'
import { worldFromItem, worldToItem } from '../wasm/encode-world.ts'
import type { World } from '../wasm/types.ts'
import {
  bool,
  type Codec,
  dictionary,
  float,
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
import { digest, id, interfaceName, metricName } from '../wire/ids.ts'
import { maxTopicBytes } from '../wire/topics.ts'

const world: Codec<World> = { toItem: worldToItem, fromItem: worldFromItem }

const filters = list(text(maxTopicBytes), 32)

const artifact = record({
  digest: [1, digest],
  /** In bytes. */
  size: [2, uint(64 * 1024 * 1024)],
})

/** What one instance may use; over it a call is throttled, a turn is ended, or memory stops growing. */
const limits = record({
  /** Linear memory, a multiple of 64 KiB, or `hypha_memory_end` where the module declares one. */
  memoryBytes: [1, uint(0xffff_0000)],
  /** Deadline of one turn. */
  turnMs: [2, uint(3_600_000, 1)],
  telemetryPerS: [3, uint(1_000_000)],
  messagesPerS: [4, uint(1_000_000)],
  kvBytes: [5, uint(64 * 1024 * 1024)],
})

/** What `hypha.toml` says of a link to another module of the app. Nothing of it decides what a call means, only how long it may take, how a failed one ends, and what the link is taken to cost. */
const linkHint = record({
  /** As the module imports it, with its version. */
  interface: [1, interfaceName],
  /** How a call ends that failed on the way, where its result can't say so itself; null: the turn traps. [P 11.10] */
  policy: [2, nullable(oneOf('retry', 'drop', 'last-value'))],
  /** How long a call may take. Null: as long as its turn. */
  deadlineMs: [3, nullable(uint(600_000, 1))],
  /** Calls that one instance makes, on average. Null: as placement assumes. */
  ratePerS: [4, nullable(float)],
  /** Arguments and result of one call together. */
  bytesPerCall: [5, nullable(uint(2 * maxValuesBytes))],
})

/** What `hypha.toml` says of a module. */
const moduleSpec = record({
  /** Period of `timer.tick`; null where the module has no timer. */
  timerMs: [1, nullable(uint(31 * 86_400_000, 1))],
  /** Topic filters relative to the app: what its inbox is fed with, and what it may publish. */
  subscribe: [2, filters],
  publish: [3, filters],
  config: [4, dictionary(text(4_096), 64)],
  limits: [5, limits],
  /** A cell of its own. */
  isolate: [6, bool],
  /** One instance for the whole fleet in place of one per site. */
  fleetScope: [7, bool],
  /** Labels that a node must carry. */
  requires: [8, list(text(64), 16)],
  /** `host:port` pairs that `http` may reach. */
  httpHosts: [9, list(text(256), 32)],
  /** Null where it says nothing of any. */
  links: [10, nullable(list(linkHint, 64))],
  /** `keep`: its shared instance goes on where it is however long its node is cut off, and is never placed elsewhere for that. Null: it runs under a lease. [P 12.1] */
  offline: [11, nullable(oneOf('keep'))],
})

const releaseModule = record({
  name: [1, id],
  component: [2, artifact],
  /** Null where the component has no core form and runs only through jco. */
  core: [3, nullable(artifact)],
  world: [4, world],
  memory: [
    5,
    record({
      initialBytes: [1, uint(2 ** 32)],
      maximumBytes: [2, nullable(uint(2 ** 32))],
      endBytes: [3, nullable(uint(2 ** 32))],
    }),
  ],
  features: [6, list(text(40), 32)],
  spec: [7, moduleSpec],
})

/** A file of a built-in app, such as the agent's own program. */
const releaseFile = record({
  name: [1, text(64, /^[a-z0-9][a-z0-9._-]*$/)],
  /** As Node names it ("x64", "arm64"); null for a file that runs on any. */
  arch: [2, nullable(text(20))],
  artifact: [3, artifact],
})

/** Nodes of a wave: those with a label, or so many of the fleet in all, those of earlier waves included. */
const wave = union(['label', record({ label: [1, text(64)] })], ['share', record({ percent: [1, uint(100, 1)] })])

/** When an app may change: minutes of the day in a time zone; over midnight where `from` is after `to`. */
const window = record({
  /** Nodes that carry it; null for all. */
  label: [1, nullable(text(64))],
  /** Sunday is 0. */
  days: [2, list(uint(6), 7)],
  fromMinute: [3, uint(1_439)],
  toMinute: [4, uint(1_440)],
  /** IANA name, such as "Europe/Berlin". */
  zone: [5, text(64)],
})

const healthBound = record({
  module: [1, id],
  metric: [2, metricName],
  min: [3, nullable(float)],
  max: [4, nullable(float)],
})

/** How the app is brought to a fleet: `[rollout]` in `hypha.toml`. What is null is as the gateway has it. */
const rolloutPolicy = record({
  /** Rising. Nodes that no wave names are in one more at the end. Null: one wave on a few nodes, several on many. */
  waves: [1, nullable(list(wave, 63))],
  /** Of a wave's nodes that are online: at least so many must have prepared for it to be committed. */
  successPercent: [2, nullable(uint(100, 1))],
  /** More than so many of a wave's nodes that fail end the rollout. */
  failurePercent: [3, nullable(uint(100))],
  /** How long a wave must run well before the next. */
  soakMs: [4, nullable(uint(31 * 86_400_000))],
  /** How long a wave may take to prepare. */
  prepareMs: [5, nullable(uint(31 * 86_400_000, 1))],
  /** Somebody has to say yes before the first wave. */
  approve: [6, bool],
  /** A rollout that fails goes back to what ran before by itself. */
  rollback: [7, bool],
  windows: [8, list(window, 16)],
  health: [9, list(healthBound, 32)],
})

/** An immutable version of an app: what is authentic. Its digest is the SHA-256 of this payload, however many have signed it. */
export const release = message(
  'release',
  record({
    fleet: [1, id],
    app: [2, id],
    /** Rises with each release of the app. */
    number: [3, uint(0xffff_ffff, 1)],
    /** The author's own name for it, such as "1.2.0"; empty where there is none. */
    label: [4, text(40)],
    createdMs: [5, uint()],
    /** No release of this app with a lower number may run; only the release role raises it. */
    floor: [6, uint(0xffff_ffff)],
    modules: [7, list(releaseModule, 128)],
    /** Of a built-in app, which has no modules: what a node installs. Null for every other. */
    files: [8, nullable(list(releaseFile, 16))],
    /** Null where the author left it to the gateway. */
    rollout: [9, nullable(rolloutPolicy)],
    /** Whether it may be placed anew by what its links are counted to carry; null: only by its hints. */
    follow: [10, nullable(oneOf('measured'))],
  }),
)

export type Release = TypeOf<typeof release>
export type ReleaseFile = TypeOf<typeof releaseFile>
export type ReleaseModule = TypeOf<typeof releaseModule>
export type ModuleSpec = TypeOf<typeof moduleSpec>
export type LinkHint = TypeOf<typeof linkHint>
export type Limits = TypeOf<typeof limits>
export type RolloutPolicy = TypeOf<typeof rolloutPolicy>
export type Artifact = TypeOf<typeof artifact>
