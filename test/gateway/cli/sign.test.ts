import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '@hypha/core/bytes/text.ts'
import { expect, test } from 'vitest'
import { followRoot } from '../../../gateway/keys/fleet.ts'
import { createKeyFile } from '../../../gateway/keys/key-file.ts'
import { keys } from '../../support/signed.ts'
import { type CliFleet, fleetOnSocket, jsonOf, playNodes, runHypha, temporaryFolder } from './support.ts'

const passphrase = 'correct horse battery staple'

/** A fleet whose releases two hands must sign, the key of each in a file, and an app to push. */
async function twoHands(): Promise<CliFleet & { app: string; second: string }> {
  const fleet = await fleetOnSocket()
  const { gateway, home, folder } = fleet
  const release = { threshold: 2, keys: [keys.release.publicKey, keys.release2.publicKey] }
  await gateway.services.root.submit([followRoot(gateway.deps.root(), { release }, [keys.root])], {
    name: 'local',
    role: 'admin',
  })
  const second = join(home.keys, 'second.key')
  await createKeyFile(second, {
    fleet: 'garden',
    role: 'release',
    seed: new Uint8Array(32).fill(4),
    protection: { passphrase },
  })
  const app = join(temporaryFolder(), 'hello-app')
  await jsonOf(folder, ['new', app, '--template', 'prebuilt'])
  return { ...fleet, app, second }
}

test('a push says who has to sign, and a second hand signs what it has seen', async () => {
  const { folder, app, second, gateway } = await twoHands()
  playNodes(gateway, 'confirmed')
  const pushed = await runHypha(folder, ['push', app])
  expect([pushed.code, pushed.stdout.split('\n')[0]]).toEqual([
    0,
    'hello-app 1: signed 1 of 2. It runs when another hand has signed: hypha sign hello-app@1',
  ])
  expect((await runHypha(folder, ['releases'])).stdout).toMatch(/hello-app@1 .* pending +1 of 2 \([0-9a-f]{16}\)/)

  // Nobody sits at a terminal: nothing is signed unless that was said.
  const asked = await runHypha(folder, ['sign', 'hello-app@1', '--key', second])
  expect(asked.code).toBe(2)
  expect(asked.stderr).toMatch(/release +hello-app@1 .*of garden/)
  expect(asked.stderr).toMatch(new RegExp(`signed by +${toHex(keys.release.kid)}: 1 of the 2 that it needs`))
  expect(asked.stderr).toMatch(/module +hello\n/)
  expect(asked.stderr).toMatch(/imports +\S+/)
  expect(asked.stderr).toMatch(/--yes/)
  expect(gateway.store.directives.list()).toEqual([])

  const signed = await jsonOf(folder, ['sign', 'hello-app@1', '--key', second, '--yes'])
  expect(signed).toMatchObject({ app: 'hello-app', number: 1, pending: false, signed: 2, threshold: 2 })
  expect(signed.outcome.confirmed).toEqual(signed.plan.instances.map(({ node }: { node: string }) => node))
  const again = await runHypha(folder, ['sign', 'hello-app@1', '--key', second, '--yes'])
  expect([again.code, again.stdout]).toEqual([
    0,
    expect.stringMatching(/^hello-app 1 has 2 of 2 signatures, and runs on /),
  ])
})

test('a release of which the gateway tells no truth is not signed', async () => {
  const { folder, app, second, gateway } = await twoHands()
  await jsonOf(folder, ['push', app])
  const { db } = gateway.store
  const refusal = async () => {
    const { code, stderr } = await runHypha(folder, ['sign', 'hello-app@1', '--key', second, '--yes', '--json'])
    expect(code).not.toBe(0)
    return JSON.parse(stderr.trim().split('\n').at(-1)!).error.code
  }
  // Another number than was typed.
  db.pragma('foreign_keys = OFF')
  db.exec('UPDATE releases SET number = 2; UPDATE release_contents SET number = 2')
  const moved = await runHypha(folder, ['sign', 'hello-app@2', '--key', second, '--yes'])
  expect(moved.stderr).toMatch(/release-mismatch/)
  db.exec('UPDATE releases SET number = 1; UPDATE release_contents SET number = 1')
  // Other bytes than were signed.
  const { component } = gateway.pipeline.releases.byNumber('hello-app', 1)!.release.modules[0]!
  db.prepare('UPDATE contents SET bytes = ? WHERE digest = ?').run(Uint8Array.of(1, 2), toHex(component.digest))
  expect(await refusal()).toBe('push-incomplete')
  expect(gateway.store.apps.allReleases('hello-app')).toMatchObject([{ pending: true }])
})

test('who has the root metadata does not take the word of the gateway for it', async () => {
  const { folder, app, second, home, gateway } = await twoHands()
  await jsonOf(folder, ['push', app])
  mkdirSync(home.roots, { recursive: true })
  const first = join(home.roots, '1.root')
  writeFileSync(first, gateway.deps.roots.chain[0]!)
  const seen = await runHypha(folder, ['sign', 'hello-app@1', '--key', second])
  expect(seen.stderr).toMatch(/by this home's root metadata/)
  const other = Uint8Array.from(readFileSync(first))
  other[other.length - 1]! ^= 1
  writeFileSync(first, other)
  const { code, stderr } = await runHypha(folder, ['sign', 'hello-app@1', '--key', second, '--yes'])
  expect(code).not.toBe(0)
  expect(stderr).toMatch(/home-malformed/)
})

test('a key that is none of the release role signs nothing', async () => {
  const { folder, app, home } = await twoHands()
  await jsonOf(folder, ['push', app])
  const stranger = join(home.keys, 'stranger.key')
  await createKeyFile(stranger, { fleet: 'garden', role: 'release', protection: { passphrase } })
  const { code, stderr } = await runHypha(folder, ['sign', 'hello-app@1', '--key', stranger, '--yes'])
  expect(code).not.toBe(0)
  expect(stderr).toMatch(/is no key of the release role of garden .*\[threshold-not-met\]/)
})

test('numbers go on above what this home has released, also where the gateway has forgotten it', async () => {
  const { folder, app, gateway, second } = await twoHands()
  playNodes(gateway, 'confirmed')
  await jsonOf(folder, ['push', app])
  await jsonOf(folder, ['sign', 'hello-app@1', '--key', second, '--yes'])
  await jsonOf(folder, ['push', app])
  await jsonOf(folder, ['release', 'rm', 'hello-app@2'])
  const { stderr, stdout } = await runHypha(folder, ['push', app])
  expect(stderr).toMatch(/knows hello-app up to release 1, this home has made 2/)
  expect(stdout).toMatch(/^hello-app 3: signed 1 of 2/)
})
