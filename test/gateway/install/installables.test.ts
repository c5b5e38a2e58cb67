import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { readTar, writeTar } from '@hypha/core/bytes/tar.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createInstallables, type ReleasedAgent } from '../../../gateway/install/installables.ts'

const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('what devices install from a gateway', () => {
  let folder: string
  let release: ReleasedAgent | null = null
  let host = '127.0.0.1'
  const make = () =>
    createInstallables({
      folder,
      address: () => ({ host, httpPort: 8443 }),
      released: () => release,
      onSlow: () => undefined,
    })
  let installables: ReturnType<typeof make>
  beforeAll(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'hypha-installables-')), 'install')
    installables = make()
  })
  afterAll(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

  it('is not made before somebody asks: a gateway that starts has nothing to wait for', () => {
    expect(existsSync(folder)).toBe(false)
  })

  it("is the gateway's own bundle and Node as npm brought it, all stored under what the script pins", async () => {
    const { script, agent, runtimes, gateway } = await installables.current()
    expect([gateway, agent.release]).toEqual(['https://127.0.0.1:8443', null])
    const text = readFileSync((await installables.find(script.digest))!.path, 'utf8')
    expect(text).toContain(agent.digest)
    const bundle = readFileSync((await installables.find(agent.digest))!.path)
    expect(readTar(bundle).map(({ name }) => name)).toEqual(expect.arrayContaining(['main.js', 'worker/main.js']))
    for (const { arch, file, node } of runtimes) {
      expect(text).toContain(`${arch}:${file.digest}:${file.bytes}:${node.digest}:${node.bytes}`)
      const stored = readFileSync((await installables.find(file.digest))!.path)
      expect(digestOf(gunzipSync(stored))).toBe(node.digest)
    }
  })

  it('is the same for a gateway that starts anew, byte by byte', async () => {
    expect(await make().current()).toEqual(await installables.current())
  })

  it('is the signed release of the agent as soon as there is one; the script of before stays good', async () => {
    const before = await installables.current()
    const bytes = writeTar([{ name: 'main.js', bytes: new TextEncoder().encode('released') }])
    release = { digest: digestOf(bytes), number: 7, bytes: () => bytes }
    const { agent, script } = await installables.current()
    expect(agent).toEqual({ digest: release.digest, bytes: bytes.length, release: 7 })
    expect(script.digest).not.toBe(before.script.digest)
    for (const digest of [before.script.digest, before.agent.digest, agent.digest])
      expect(await installables.find(digest)).toMatchObject({ digest })
  })

  it('leaves nothing half made behind, and remembers so many scripts and no more', async () => {
    for (let moved = 0; moved < 12; moved++) {
      host = `10.0.0.${moved}`
      await installables.current()
    }
    const names = readdirSync(folder)
    expect(names.filter((name) => name.endsWith('.part'))).toEqual([])
    expect(names.filter((name) => name.startsWith('script-')).length).toBe(8)
  })
})
