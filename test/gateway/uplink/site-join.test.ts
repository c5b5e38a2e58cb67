import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { parseJoinUrl } from '@hypha/core/wire/join-url.ts'
import { siteJoinAnswer, siteJoinProof, siteJoinRequest } from '@hypha/core/wire/messages/site-join.ts'
import { expect, it } from 'vitest'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { handleSiteJoin, inviteSite, type SiteJoinDeps } from '../../../gateway/uplink/site-join.ts'
import { t0, temporaryStore } from '../store/support.ts'

async function start() {
  const { sites } = temporaryStore({ fleet: 'company' })
  const authority = await createAuthority('company', () => t0)
  const joined: string[] = []
  const clock = { now: t0 }
  const deps: SiteJoinDeps = {
    fleet: 'company',
    sites,
    crypto: nodeCrypto,
    now: () => clock.now,
    certify: (site, publicKey) => authority.issueSite({ site, publicKey }),
    uplink: () => ({ host: '127.0.0.1', port: 8883 }),
    joined: (site) => joined.push(site),
  }
  const where = { host: '127.0.0.1', port: 8443, fleet: 'company', ca: authority.fingerprint, root: 'ab'.repeat(32) }
  const invite = (site: string) =>
    parseJoinUrl(inviteSite(sites, { ...where, node: site, hours: 1, memoryBytes: 1, now: clock.now }).url).token
  return { sites, joined, clock, invite, join: (body: Uint8Array) => handleSiteJoin(body, deps) }
}

function bodyOf(site: string, token: string, seed = nodeCrypto.random(32), fleet = 'company'): Uint8Array {
  const request = { site, token, publicKey: nodeCrypto.publicKey(seed) }
  return siteJoinRequest.encode({ ...request, proof: nodeCrypto.sign(seed, siteJoinProof(fleet, request)) })
}

it('An invitation is good for one key, which may ask again, and replaces the key before', async () => {
  const { sites, joined, invite, join } = await start()
  const [token, seed] = [invite('north'), nodeCrypto.random(32)]
  for (let time = 0; time < 2; time++) {
    expect(siteJoinAnswer.decode(await join(bodyOf('north', token, seed)))).toMatchObject({
      fleet: 'company',
      port: 8883,
    })
  }
  expect(joined).toEqual(['north'])
  expect(sites.get('north')!.publicKey).toEqual(nodeCrypto.publicKey(seed))
  await expect(join(bodyOf('north', token))).rejects.toMatchObject({ code: 'join-token-used' })
  const next = nodeCrypto.random(32)
  await join(bodyOf('north', invite('north'), next))
  expect(sites.get('north')!.publicKey).toEqual(nodeCrypto.publicKey(next))
})

it('An unknown, expired, foreign or unproven request is refused, and says nothing of other sites', async () => {
  const { sites, joined, clock, invite, join } = await start()
  const token = invite('north')
  await expect(join(bodyOf('north', 'x'.repeat(43)))).rejects.toMatchObject({ code: 'join-token-unknown' })
  await expect(join(bodyOf('south', token))).rejects.toMatchObject({ code: 'join-token-unknown' })
  await expect(join(bodyOf('north', token, nodeCrypto.random(32), 'another'))).rejects.toMatchObject({
    code: 'join-proof-invalid',
  })
  await expect(join(new Uint8Array(9))).rejects.toMatchObject({ code: expect.stringMatching(/malformed|truncated/) })
  clock.now += 3_600_000
  await expect(join(bodyOf('north', token))).rejects.toMatchObject({ code: 'join-token-expired' })
  expect(joined).toEqual([])
  expect(sites.get('north')!.publicKey).toBeNull()
})

it('Revoking a site withdraws its invitations', async () => {
  const { sites, invite, join } = await start()
  const token = invite('north')
  sites.revoke('north', t0)
  await expect(join(bodyOf('north', token))).rejects.toMatchObject({ code: 'join-token-unknown' })
})
