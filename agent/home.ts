import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { asHyphaError, HyphaError } from '@hypha/core/errors.ts'
import { nodeFiles } from '@hypha/core/platform/files.ts'
import { replaceFile } from '@hypha/core/ports/files.ts'
import { bytes, message, nullable, record, type TypeOf, text, uint } from '@hypha/core/wire/codec.ts'
import { id } from '@hypha/core/wire/ids.ts'
import { tier } from '@hypha/core/wire/messages/state.ts'
import { type NodeFile, parseNodeFile } from './host/node-file.ts'

// The folder of one agent: its identity, its node file, and what it holds.
//
//   keys          made before joining, so that a cut connection can be repeated with the same
//   identity      who it is, with its private keys; readable by its owner only
//   keys-again    the same for joining again with new ones
//   leaving       how far the node is with leaving its fleet
//   agent.toml    what is bound to this machine: sensors, actuators, network, labels
//   data/         journal, contents, installs: only the agent's own code touches these
//   sql/          one database for each app that uses `sql`

const identityCodec = message(
  'identity',
  record({
    fleet: [1, id],
    node: [2, id],
    tier: [3, tier],
    /** Ed25519 seed; its public key is the certificate's. */
    seed: [4, bytes({ exact: 32 })],
    /** X25519 secret key, for configuration that is sealed to this node. */
    boxSecret: [5, bytes({ exact: 32 })],
    /** PEM. */
    certificate: [6, text(8_192)],
    ca: [7, text(8_192)],
    /** Envelope of the first root metadata, whose digest the join URL pinned. */
    root: [8, bytes({ max: 32_768 })],
    brokerHost: [9, text(253)],
    brokerPort: [10, uint(65_535, 1)],
    /** Where the node joined, and renews its certificate. */
    gatewayHost: [11, text(253)],
    gatewayPort: [12, uint(65_535, 1)],
    /** When the certificate came, in ms since 1970: it doesn't say itself when its life began. */
    certifiedMs: [13, nullable(uint())],
  }),
)

export type Identity = TypeOf<typeof identityCodec>

export function agentHome(given: string | undefined): string {
  return given ?? process.env.HYPHA_AGENT_HOME ?? join(homedir(), '.hypha-agent')
}

const identityPath = (home: string) => join(home, 'identity')

export const hasIdentity = (home: string): boolean => existsSync(identityPath(home))

export function loadIdentity(home: string): Identity {
  if (!hasIdentity(home)) {
    throw new HyphaError('not-joined', `There is no identity in ${home}`, { where: home })
  }
  const where = identityPath(home)
  const bytes = readFileSync(where)
  try {
    return identityCodec.decode(bytes)
  } catch (cause) {
    throw new HyphaError('bytes-malformed', `${where} holds no identity: ${asHyphaError(cause).message}`, {
      where,
      mend: 'Bring it back from a backup. Without one, join anew in another folder: hypha invite NAME --replace at the gateway, hypha-agent join URL --home DIR here.',
      cause,
    })
  }
}

export function saveIdentity(home: string, identity: Identity): void {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  writeFileSync(identityPath(home), identityCodec.encode(identity), { mode: 0o600, flush: true })
}

/** As `saveIdentity`, for a node that has one: it is the old or the new one, whatever happens meanwhile. */
export async function replaceIdentity(home: string, identity: Identity): Promise<void> {
  await replaceFile(nodeFiles(home), 'identity', identityCodec.encode(identity))
}

const keysCodec = message(
  'keys',
  record({ seed: [1, bytes({ exact: 32 })], boxSecret: [2, bytes({ exact: 32 })] }),
  128,
)

export type NodeKeys = TypeOf<typeof keysCodec>

/**
 * The keys that this folder joins with, made by `make` the first time. They are kept before they are first used: an invitation is answered once for one key, so a
 * node whose connection was cut in between must come again with the same.
 */
export function keysToJoin(home: string, make: () => NodeKeys, name: 'keys' | 'keys-again' = 'keys'): NodeKeys {
  const path = join(home, name)
  if (existsSync(path)) return keysCodec.decode(readFileSync(path))
  const keys = make()
  mkdirSync(home, { recursive: true, mode: 0o700 })
  writeFileSync(path, keysCodec.encode(keys), { mode: 0o600, flush: true })
  return keys
}

/** The node has joined again: the keys that it did so with are its keys. */
export function adoptKeys(home: string): void {
  renameSync(join(home, 'keys-again'), join(home, 'keys'))
}

/** Keys that were made for joining again and are in use already make no new node. */
export function dropKeysToJoinAgain(home: string): void {
  rmSync(join(home, 'keys-again'), { force: true })
}

const nodeFilePath = (home: string): string => join(home, 'agent.toml')

/** What the node's file binds; an agent without one provides what every node does. Throws `node-file-invalid`. */
export function readNodeFile(home: string): NodeFile {
  const path = nodeFilePath(home)
  return parseNodeFile(existsSync(path) ? readFileSync(path, 'utf8') : '', path)
}

const nodeFileTemplate = `# What is bound to this machine. Modules see sensors and actuators by these names; nothing of this comes over the network.
# The agent reads it when it starts. Every key: docs/agent-toml.md of Hypha.

# labels = ["floor=2"]

# Also run modules without a core form, each in a process of some 80 MB; takes the package @bytecodealliance/jco-transpile beside the agent.
# components = true

# [sensor.cpu-temperature]
# driver = "sysfs"
# path = "/sys/class/thermal/thermal_zone0/temp"
# scale = 0.001

# The last value on a topic of a broker of your own.
# [sensor.porch]
# driver = "mqtt"
# topic = "zigbee2mqtt/porch"
# field = "temperature"

# [mqtt]
# url = "mqtt://127.0.0.1:1883"
# username = "hypha"
# password-file = "broker-password"

# What the node may run short of: then modules that can go on elsewhere leave it, and come home when it is well. Each has a default; read elsewhere with a driver, as a sensor.
# [vital.battery]
# min = 20
# clear = 30
# [vital.free-memory]
# min = "32MiB"
# [vital.cpu]
# max = 95
# for = "5min"

# [http]
# allow = ["example.com:443"]

# [sql]
`

/** Writes the node file that a new agent starts with, unless there is one. */
export function ensureNodeFile(home: string): void {
  if (!existsSync(nodeFilePath(home))) writeFileSync(nodeFilePath(home), nodeFileTemplate)
}

/** Deletes all that the agent holds but its keys. */
export function wipeData(home: string): void {
  wipe(home, ['data', 'sql', 'run'])
}

/** Deletes all that the agent holds, its keys last, and after them the note that it leaves; the node file, which its owner wrote, stays. */
export function wipeHome(home: string): void {
  wipeData(home)
  wipe(home, ['keys-again', 'keys', 'identity', 'leaving'])
}

function wipe(home: string, names: readonly string[]): void {
  // A database's process that is just ending may write once more.
  for (const name of names) rmSync(join(home, name), { recursive: true, force: true, maxRetries: 3 })
}
