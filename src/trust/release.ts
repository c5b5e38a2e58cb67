import { worldFromItem, worldToItem } from '../wasm/encode-world.ts'
import type { World } from '../wasm/types.ts'
import {
  bool,
  type Codec,
  dictionary,
  list,
  message,
  nullable,
  record,
  type TypeOf,
  text,
  uint,
} from '../wire/codec.ts'
import { digest, id } from '../wire/ids.ts'
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
  }),
)

export type Release = TypeOf<typeof release>
export type ReleaseFile = TypeOf<typeof releaseFile>
export type ReleaseModule = TypeOf<typeof releaseModule>
export type ModuleSpec = TypeOf<typeof moduleSpec>
export type Limits = TypeOf<typeof limits>
export type Artifact = TypeOf<typeof artifact>
