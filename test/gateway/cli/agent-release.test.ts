import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTar, writeTar } from '@hypha/core/bytes/tar.ts'
import { toHex, toUtf8 } from '@hypha/core/bytes/text.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { expect, test } from 'vitest'
import { followRoot } from '../../../gateway/keys/fleet.ts'
import { createKeyFile } from '../../../gateway/keys/key-file.ts'
import { releasePayload, signRelease } from '../../../gateway/push/release.ts'
import { artifact, crypto, keys, makeRelease } from '../../support/signed.ts'
import { fleetOnSocket, jsonOf, runHypha, temporaryFolder } from './support.ts'

/** A folder as agent/bundle.ts makes it. */
function bundle(version = '1.2.3'): string {
  const folder = join(temporaryFolder(), 'bundle')
  mkdirSync(join(folder, 'worker'), { recursive: true })
  writeFileSync(join(folder, 'main.js'), 'main')
  writeFileSync(join(folder, 'worker/main.js'), 'worker')
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ version }))
  return folder
}

test('a bundle becomes a release with one file, labelled by its version and digest', async () => {
  const { folder, gateway } = await fleetOnSocket()
  const answer = await jsonOf(folder, ['agent', 'release', '--bundle', bundle(), '--no-wait'])
  const { release } = gateway.pipeline.releases.byNumber('hypha-agent', 1)!
  const [file] = release.files!
  const name = toHex(file!.artifact.digest)
  expect(release).toMatchObject({ number: 1, modules: [], label: `1.2.3 ${name.slice(0, 8)}` })
  expect([release.files!.length, file!.name, file!.arch, answer.bytes]).toEqual([1, 'agent', null, file!.artifact.size])
  const archive = gateway.store.contents.get(name)!
  expect(readTar(archive).map((entry) => entry.name)).toEqual(['main.js', 'package.json', 'worker/main.js'])
  expect(gateway.store.contents.findTransfer(name, null)?.encoding).toBe('brotli')
  // No node of this fleet installs its agent by itself.
  expect(await jsonOf(folder, ['apps'])).toMatchObject([
    { name: 'hypha-agent', release: 1, complete: true, instances: 0, running: 0 },
  ])
  expect((await jsonOf(folder, ['rollout', 'hypha-agent'])).nodes).toEqual([])

  for (const line of [
    'apps',
    'app hypha-agent',
    'release hypha-agent@1',
    'releases hypha-agent',
    'plan --app hypha-agent',
    'rollout hypha-agent',
  ]) {
    const shown = await runHypha(folder, line.split(' '))
    expect([line, shown.code]).toEqual([line, 0])
  }
  const again = await runHypha(folder, ['agent', 'release', '--bundle', bundle('1.2.4')])
  expect([again.code, again.stdout.trim()]).toEqual([0, 'hypha-agent 2 runs on no node: none has installed its agent.'])
  expect(await jsonOf(folder, ['rollback', 'hypha-agent', '1', '--no-wait'])).toMatchObject({ number: 1 })
})

test('where two hands must sign, the release waits for the second', async () => {
  const { folder, home, gateway } = await fleetOnSocket()
  const release = { threshold: 2, keys: [keys.release.publicKey, keys.release2.publicKey] }
  const by = { name: 'local', role: 'admin' } as const
  await gateway.services.root.submit([followRoot(gateway.deps.root(), { release }, [keys.root])], by)
  const second = join(home.keys, 'second.key')
  const passphrase = 'correct horse battery staple'
  const seed = new Uint8Array(32).fill(4)
  await createKeyFile(second, { fleet: 'garden', role: 'release', seed, protection: { passphrase } })

  const first = await runHypha(folder, ['agent', 'release', '--bundle', bundle()])
  expect([first.code, first.stdout.trim()]).toEqual([
    0,
    'hypha-agent 1: signed 1 of 2. It runs when another hand has signed: hypha sign hypha-agent@1',
  ])
  const signed = await jsonOf(folder, ['sign', 'hypha-agent@1', '--key', second, '--yes'])
  expect(signed).toMatchObject({ app: 'hypha-agent', number: 1, pending: false, signed: 2 })
})

test('a folder without a program is refused, and so is an app that takes the name of the agent', async () => {
  const { folder } = await fleetOnSocket()
  const empty = await runHypha(folder, ['agent', 'release', '--bundle', temporaryFolder()])
  expect([empty.code, empty.stderr]).toEqual([2, expect.stringContaining('it has no main.js')])
  const app = temporaryFolder()
  writeFileSync(join(app, 'hypha.toml'), '[app]\nname = "hypha-agent"\n\n[module.main]\n')
  const taken = await runHypha(folder, ['push', app])
  expect([taken.code, taken.stderr]).toEqual([3, expect.stringContaining('"hypha-agent" is a program of Hypha itself')])
})

test('the gateway takes a release of the agent only with its files, and no other app with files', async () => {
  const { gateway } = await fleetOnSocket()
  const archive = writeTar([{ name: 'main.js', bytes: toUtf8('main') }])
  const files = [{ name: 'agent', arch: null, artifact: artifact(archive) }]
  const refusal = async (changes: Partial<Release>, components = [archive]) => {
    const made = makeRelease({ app: 'hypha-agent', modules: [], files, ...changes })
    const envelope = signRelease(releasePayload(made), [keys.release])
    return gateway.pipeline.pushes.push(envelope, components).then(
      () => null,
      (error) => error.code,
    )
  }
  expect(await refusal({}, [])).toBe('push-incomplete')
  expect(await refusal({}, [toUtf8('another')])).toBe('push-incomplete')
  expect(await refusal({ files: [{ ...files[0]!, artifact: { ...artifact(archive), size: 7 } }] })).toBe(
    'release-mismatch',
  )
  expect(await refusal({ files: null })).toBe('metadata-invalid')
  expect(await refusal({ app: 'greenhouse' })).toBe('metadata-invalid')
  expect(await refusal({})).toBeNull()
  expect(gateway.store.contents.get(toHex(crypto.sha256(archive)))).toEqual(archive)
})
