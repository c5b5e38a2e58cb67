import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { seedSigner } from '@hypha/core/trust/cose.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import Database from 'better-sqlite3'
import { joinFleet } from '../../../agent/enrolment.ts'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import type { ClientMade, TokenMade } from '../../../gateway/admin/api/schemas/access.ts'
import type { InviteMade } from '../../../gateway/admin/api/schemas/nodes.ts'
import type { SiteInviteMade } from '../../../gateway/admin/api/schemas/sites.ts'
import { ApiClient } from '../../../gateway/admin/cli/client.ts'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { openKeyFile } from '../../../gateway/keys/key-file.ts'
import { buildApp } from '../../../gateway/push/build/build.ts'
import { makeRelease, releasePayload, signRelease } from '../../../gateway/push/release.ts'
import { joinUpstream } from '../../../gateway/uplink/join-upstream.ts'
import { Fleet } from '../../support/fleet.ts'
import { type Credentials, pemOfSeed } from './mqtt-attacker.ts'

// A fleet as it is before the attacks: made once, copied for each run.

/** The node that is attacked, and what it runs. */
export const victim = 'pi-7'
/** A node that others speak for, and one that an attacker holds the key of. */
export const [neighbour, thief] = ['pi-2', 'pi-3']
/** The same for who tries to connect: one that is let in by mistake ends the connection of the one that it pretends to be. */
export const [bystander, rogue] = ['pi-5', 'pi-6']
export const app = 'ticker'

const ticker = `
import { get } from "hypha/host/config";
import { emit } from "hypha/host/telemetry";
export function tick(nowMs: u64): void {
  const level = get("level");
  emit("level", level !== null ? parseFloat(level) : 0);
}
`
const manifest = `[app]\nname = "${app}"\n\n[module.tick]\ntimer = "100ms"\nsubscribe = ["in/#"]\nheap = "16KiB"\n\n[module.tick.config]\nlevel = "0"\n`

/** What attackers know or have stolen. Bytes are in base64. */
export interface Facts {
  readonly fleet: string
  readonly httpPort: number
  readonly mqttPort: number
  /** Seeds. */
  readonly keys: { readonly root: string; readonly release: string; readonly gateway: string }
  /** The CA of another fleet of the same name. */
  readonly stranger: Credentials
  readonly component: string
  /** The one module as releases describe it, in the first release's envelope. */
  readonly releases: readonly { readonly number: number; readonly payload: string; readonly envelope: string }[]
  readonly tokens: Readonly<Record<'admin' | 'operator' | 'publisher' | 'viewer' | 'expired' | 'revoked', string>>
  readonly invites: Readonly<Record<'open' | 'used' | 'expired' | 'withdrawn' | 'fresh' | 'gone', string>>
  /** Gateways that have joined this one; the last one was revoked since. */
  readonly sites: Readonly<Record<'north' | 'south' | 'lost', Credentials>>
  readonly siteInvites: Readonly<Record<'open' | 'used', string>>
  readonly clients: Readonly<Record<'writer' | 'reader' | 'leaver' | 'gone', Credentials>>
}

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
export const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))

/** What the genuine releases say: number, level, floor. */
const genuine = [
  { number: 1, level: '1', floor: 0 },
  { number: 2, level: '2', floor: 0 },
  { number: 3, level: '3', floor: 2 },
] as const

/** Makes a fleet with nodes, tokens, invitations and three releases, and leaves it in `folder` with nothing running. */
export async function makeFixture(folder: string): Promise<void> {
  const fleet = await Fleet.start({ name: 'garden' })
  try {
    const home = join(fleet.folder, 'hypha')
    const api = new ApiClient({ kind: 'socket', path: join(home, 'gateway/api.sock') })
    const passphrase = fleet.env.HYPHA_PASSPHRASE!
    const seed = async (role: string) => base64((await openKeyFile(join(home, `keys/${role}.key`), passphrase)).seed)
    const stranger = await createAuthority(fleet.name)

    const invite = async (node: string) =>
      (await api.request<InviteMade>('POST', '/v1/invites', { json: { node, tier: 'device', hours: 1 } })).url
    const invited: Record<string, string> = {}
    for (const node of [
      victim,
      neighbour,
      thief,
      bystander,
      rogue,
      'pi-liar',
      'pi-twin',
      'pi-gone',
      'pi-lost',
      'pi-again',
    ]) {
      invited[node] = await invite(node)
      await joinFleet(join(fleet.folder, node), invited[node])
    }
    const token = async (name: string, role: string, apps?: string[]) =>
      (await api.request<TokenMade>('POST', '/v1/tokens', { json: { name, role, apps } })).token
    const client = async (name: string, publish: string[], subscribe: string[]) =>
      await api.request<ClientMade>('POST', '/v1/clients', { json: { name, publish, subscribe } })
    const inviteSite = async (site: string) =>
      (await api.request<SiteInviteMade>('POST', '/v1/sites', { json: { site, hours: 1 } })).url
    const joined = async (url: string): Promise<Credentials> => {
      const { certificate, seed } = await joinUpstream(url, 'cloud', nodeCrypto.random(32), Date.now())
      return { certificate, key: pemOfSeed(seed) }
    }
    const northern = await inviteSite('north')
    const facts: Omit<Facts, 'component' | 'releases'> = {
      fleet: fleet.name,
      httpPort: fleet.httpPort,
      mqttPort: fleet.mqttPort,
      keys: {
        root: await seed('root'),
        release: await seed('release'),
        gateway: await seed('gateway'),
      },
      stranger: { certificate: stranger.certificate, key: await stranger.exportKey() },
      tokens: {
        admin: await token('boss', 'admin'),
        operator: await token('worker', 'operator'),
        publisher: await token('author', 'publisher', ['elsewhere']),
        viewer: await token('guest', 'viewer'),
        expired: await token('late', 'admin'),
        revoked: await token('fired', 'admin'),
      },
      invites: {
        open: await invite('pi-new'),
        used: invited[thief]!,
        expired: await invite('pi-late'),
        withdrawn: await invite('pi-unwanted'),
        fresh: await invite('pi-fresh'),
        gone: invited['pi-gone']!,
      },
      sites: {
        north: await joined(northern),
        south: await joined(await inviteSite('south')),
        lost: await joined(await inviteSite('lost')),
      },
      siteInvites: { open: await inviteSite('west'), used: northern },
      clients: {
        writer: await client('writer', [`m/${app}/in/own`], [`v/+/${app}/#`]),
        leaver: await client('leaver', [`m/${app}/in/own`], []),
        reader: await client('reader', [], ['v/#', 'm/#']),
        gone: await client('gone', [`m/${app}/#`], []),
      },
    }
    await api.request('POST', '/v1/sites/lost/revoke')
    await api.request('DELETE', '/v1/tokens/fired')
    await api.request('DELETE', '/v1/clients/gone')
    const invites = await api.request<{ id: string; node: string }[]>('GET', '/v1/invites')
    await api.request('DELETE', `/v1/invites/${invites.find(({ node }) => node === 'pi-unwanted')!.id}`)
    await api.request('POST', '/v1/nodes/pi-lost/revoke', { json: {} })
    await api.request('DELETE', '/v1/nodes/pi-gone', { query: { force: true } })

    const made = await makeReleases(fleet, bytesOf(facts.keys.release))
    for (const { envelope } of made.releases) {
      await api.request('POST', '/v1/push', {
        cbor: pushBody.encode({ envelope: bytesOf(envelope), components: [bytesOf(made.component)] }),
      })
    }
    await fleet.gateway!.end()
    expire(join(home, 'gateway/hypha.db'))
    rmSync(join(fleet.folder, 'apps'), { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    cpSync(fleet.folder, folder, { recursive: true, filter: (path) => !path.endsWith('.sock') })
    writeFileSync(join(folder, 'facts.json'), JSON.stringify({ ...facts, ...made } satisfies Facts))
  } finally {
    await fleet.stop()
  }
}

async function makeReleases(fleet: Fleet, releaseSeed: Uint8Array): Promise<Pick<Facts, 'component' | 'releases'>> {
  const folder = join(fleet.folder, 'apps', app)
  mkdirSync(join(folder, 'tick/assembly'), { recursive: true })
  writeFileSync(join(folder, 'tick/assembly/index.ts'), ticker)
  writeFileSync(join(folder, 'hypha.toml'), manifest)
  const [built] = await buildApp(folder)
  const { name, component, manifest: from } = built!
  const author = seedSigner(releaseSeed, nodeCrypto)
  const releases = genuine.map(({ number, level, floor }) => {
    const spec = { ...from.spec, config: { level } }
    const release: Release = makeRelease(
      { fleet: fleet.name, app, number, label: '', createdMs: Date.now(), floor, modules: [{ name, component, spec }] },
      nodeCrypto,
    )
    const payload = releasePayload(release)
    return { number, payload: base64(payload), envelope: base64(signRelease(payload, [author])) }
  })
  return { component: base64(component), releases }
}

/** A token and an invitation whose time has passed: nobody waits a day here. */
function expire(path: string): void {
  const db = new Database(path)
  db.exec(
    "UPDATE tokens SET expires = 1000 WHERE name = 'late'; UPDATE invites SET expires = 1000 WHERE node = 'pi-late'",
  )
  db.close()
}

/** A copy of a fixture in a new folder, for one run. */
export function copyFixture(fixture: string): { readonly folder: string; readonly facts: Facts } {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-hostile-'))
  cpSync(fixture, folder, { recursive: true })
  return { folder, facts: JSON.parse(readFileSync(join(folder, 'facts.json'), 'utf8')) as Facts }
}
