import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Authorities, authorityFiles, authorityPaths } from '../../../gateway/enrol/authorities.ts'
import { type Authority, createAuthority } from '../../../gateway/enrol/ca.ts'
import { makeRoot } from '../../support/signed.ts'

// Which of the authorities in the gateway's folder vouches for it, by root metadata.

let folder: string
let first: Authority
let second: Authority

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hypha-authorities-'))
  ;[first, second] = [await createAuthority('garden'), await createAuthority('garden')]
  const paths = authorityPaths(folder, second.fingerprint)
  for (const [authority, certificate, key] of [
    [first, join(folder, 'ca.pem'), join(folder, 'ca.key')],
    [second, paths.certificate, paths.key],
  ] as const) {
    writeFileSync(certificate, authority.certificate)
    writeFileSync(key, await authority.exportKey())
  }
})
afterEach(() => rmSync(folder, { recursive: true }))

const digestOf = ({ fingerprint }: Authority) => Uint8Array.from(Buffer.from(fingerprint, 'hex'))
const rootOf = (...authorities: Authority[]) =>
  makeRoot({ authorities: authorities.length === 0 ? null : authorities.map(digestOf) })
const open = (...authorities: Authority[]) => Authorities.open(folder, 'garden', rootOf(...authorities))

test('The one that the fleet was made with vouches until root metadata names another, and then that one does', async () => {
  const authorities = await open()
  const { authority } = authorities
  expect(authority.fingerprint).toBe(first.fingerprint)
  expect(await authorities.follow(rootOf())).toBe(false)
  expect(await authorities.follow(rootOf(second))).toBe(true)
  expect([authority.fingerprint, authority.certificate]).toEqual([second.fingerprint, second.certificate])
  expect((await open(second)).authority.fingerprint).toBe(second.fingerprint)
})

test('Of several it is the first whose key is here, and certificates of all of them are let in, its own first', async () => {
  rmSync(join(folder, 'ca.key'))
  const authorities = await open(first, second)
  expect(authorities.authority.fingerprint).toBe(second.fingerprint)
  expect(authorities.ofClients).toBe(second.certificate + first.certificate)
  expect(authorityFiles(folder).map(({ fingerprint, keyPath }) => [fingerprint, keyPath !== null])).toEqual([
    [first.fingerprint, false],
    [second.fingerprint, true],
  ])
})

test('Root metadata that names none that is here is refused, and the one before stays', async () => {
  const authorities = await open()
  const elsewhere = rootOf(await createAuthority('garden'))
  expect(() => authorities.check(elsewhere)).toThrow(expect.objectContaining({ code: 'ca-unusable' }))
  await expect(authorities.follow(elsewhere)).rejects.toMatchObject({ code: 'ca-unusable' })
  expect(authorities.authority.fingerprint).toBe(first.fingerprint)
})

test('A file that holds no certificate is named', () => {
  writeFileSync(join(folder, 'ca-0123456789abcdef.pem'), 'nothing')
  expect(() => authorityFiles(folder)).toThrow(expect.objectContaining({ code: 'ca-unusable' }))
})
