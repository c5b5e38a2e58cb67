import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir, hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { nearest } from '@hypha/core/nearest.ts'
import { checkId } from '@hypha/core/wire/ids.ts'
import { parse, stringify } from 'smol-toml'
import type { EscalationPolicy } from './escalate/policy.ts'
import { policyOf } from './escalate/settings.ts'

// The folder of one fleet's gateway and of whoever publishes from this machine ($HYPHA_HOME, else ~/.hypha):
//
//   fleet.toml          name, addresses and ports
//   keys/               root.key and release.key, under a passphrase; gateway.key, which the gateway uses unattended
//   root/1.root         the first root metadata, which join URLs pin; later versions beside it
//   gateway/            certificate authorities (ca.pem, ca.key; ca-ID.pem, ca-ID.key of later ones), TLS ticket keys, database, the API's socket, the upstream that it has joined: the gateway's own
//   edge/               the folder of the edge agent that the gateway starts
//   sites/NAME/         of each site that has joined this gateway: the folder of the agent that runs for it, and the sockets of its uplink

export interface FleetFile {
  readonly fleet: string
  /** Names and addresses that nodes reach the gateway by; the first stands in join URLs. */
  readonly hosts: readonly string[]
  readonly httpPort: number
  readonly mqttPort: number
  /** How long what has climbed stays away: `[escalation]`. */
  readonly escalation?: EscalationPolicy
}

export interface HyphaHome {
  readonly folder: string
  readonly fleetFile: string
  readonly keys: string
  readonly roots: string
  readonly gateway: string
  readonly socket: string
  readonly ticketKeys: string
  readonly edge: string
  /** Which upstream this gateway has joined. */
  readonly upstream: string
  readonly sites: string
}

export function hyphaHome(given: string | undefined): HyphaHome {
  const folder = given ?? process.env.HYPHA_HOME ?? join(homedir(), '.hypha')
  return {
    folder,
    fleetFile: join(folder, 'fleet.toml'),
    keys: join(folder, 'keys'),
    roots: join(folder, 'root'),
    gateway: join(folder, 'gateway'),
    socket: join(folder, 'gateway', 'api.sock'),
    ticketKeys: join(folder, 'gateway', 'ticket.keys'),
    edge: join(folder, 'edge'),
    upstream: join(folder, 'gateway', 'upstream'),
    sites: join(folder, 'sites'),
  }
}

const fleetKeys = ['fleet', 'hosts', 'http-port', 'mqtt-port', 'escalation']

/** @throws HyphaError `home-empty` where there is no fleet, `home-malformed`. */
export function readFleetFile(home: HyphaHome): FleetFile {
  const where = home.fleetFile
  if (!existsSync(where)) throw new HyphaError('home-empty', `There is no fleet in ${home.folder}`, { where })
  const bad = (what: string, cause?: unknown) => new HyphaError('home-malformed', `${where}: ${what}`, { where, cause })
  let file: Record<string, unknown>
  try {
    file = parse(readFileSync(where, 'utf8'))
  } catch (cause) {
    throw bad((cause as Error).message, cause)
  }
  for (const key of Object.keys(file)) {
    if (fleetKeys.includes(key)) continue
    const meant = nearest(key, fleetKeys)
    throw bad(`${key} is not known here${meant === null ? '' : `: did you mean ${meant}?`}`)
  }
  const { fleet, hosts, 'http-port': httpPort, 'mqtt-port': mqttPort } = file
  if (typeof fleet !== 'string') throw bad('fleet is missing')
  if (!Array.isArray(hosts) || hosts.length === 0 || !hosts.every((host) => typeof host === 'string')) {
    throw bad('hosts should be a list of names or addresses')
  }
  if (!isPort(httpPort)) throw bad('http-port should be a port')
  if (!isPort(mqttPort)) throw bad('mqtt-port should be a port')
  return { fleet: checkId('fleet', fleet), hosts, httpPort, mqttPort, escalation: policyOf(file.escalation, bad) }
}

/** @throws HyphaError `home-in-use` where there is a fleet. */
export function refuseUsedHome(home: HyphaHome): void {
  if (!existsSync(home.fleetFile)) return
  throw new HyphaError('home-in-use', `${home.folder} holds fleet ${readFleetFile(home).fleet} already`, {
    where: home.folder,
  })
}

/** Makes the folder of a new fleet. @throws HyphaError `home-in-use` where there is one. */
export function createHome(home: HyphaHome, file: FleetFile): void {
  refuseUsedHome(home)
  for (const folder of [home.folder, home.keys, home.roots, home.gateway])
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  const toml = stringify({
    fleet: file.fleet,
    hosts: [...file.hosts],
    'http-port': file.httpPort,
    'mqtt-port': file.mqttPort,
  })
  writeFileSync(home.fleetFile, `# Where this fleet's gateway is reached. Join URLs name the first host.\n${toml}`)
}

const isPort = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536

/** How this machine can be reached, the likeliest first: its addresses in the local network, its name, itself. */
export function ownHosts(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address),
  )
  return [...addresses, hostname(), 'localhost', '127.0.0.1']
}
