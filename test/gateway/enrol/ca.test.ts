import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { certificateFingerprint, createAuthority, loadAuthority } from '../../../gateway/enrol/ca.ts'

const rawEd25519 = () =>
  new Uint8Array(generateKeyPairSync('ed25519').publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))

test("a node's certificate holds its own key, its name, its kind and its fleet", async () => {
  const authority = await createAuthority('greens')
  const publicKey = rawEd25519()
  const issued = await authority.issueNode({ id: 'pi-7', publicKey })
  const certificate = new X509Certificate(issued.certificate)
  expect(certificate.subject).toBe('O=greens\nOU=node\nCN=pi-7')
  expect(certificate.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)).toEqual(Buffer.from(publicKey))
  expect(certificate.checkIssued(new X509Certificate(authority.certificate))).toBe(true)
  expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
  expect(certificate.ca).toBe(false)
  expect(certificate.validToDate.getTime()).toBe(issued.expiresAt)
  expect(certificate.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(issued.fingerprint)
})

test('certificates are valid for a board whose clock starts in 1970', async () => {
  const authority = await createAuthority('greens')
  const server = await authority.issueServer({ names: ['localhost', '127.0.0.1'] })
  expect(new X509Certificate(authority.certificate).validFromDate.getTime()).toBe(0)
  expect(new X509Certificate(server.certificate).validFromDate.getTime()).toBe(0)
})

test("the server's certificate is for its names and addresses only", async () => {
  const authority = await createAuthority('greens')
  const server = new X509Certificate(
    (await authority.issueServer({ names: ['gateway.lan', '127.0.0.1', '::1'] })).certificate,
  )
  expect(server.checkHost('gateway.lan')).toBe('gateway.lan')
  expect(server.checkIP('127.0.0.1')).toBe('127.0.0.1')
  expect(server.checkIP('::1')).toBe('::1')
  expect(server.checkHost('elsewhere.lan')).toBeUndefined()
})

test('an authority that was written down issues certificates that the first one vouches for', async () => {
  const first = await createAuthority('greens')
  const again = await loadAuthority('greens', { certificate: first.certificate, key: await first.exportKey() })
  expect(again.fingerprint).toBe(first.fingerprint)
  const issued = await again.issueClient({ name: 'grafana' })
  expect(new X509Certificate(issued.certificate).verify(new X509Certificate(first.certificate).publicKey)).toBe(true)
  expect(certificateFingerprint(first.certificate)).toBe(first.fingerprint)
})

test("an authority is refused with another's key, of another fleet, and from files that are none", async () => {
  const [ours, other] = [await createAuthority('greens'), await createAuthority('greens')]
  const key = await ours.exportKey()
  await expect(loadAuthority('greens', { certificate: other.certificate, key })).rejects.toMatchObject({
    code: 'ca-unusable',
  })
  await expect(loadAuthority('blues', { certificate: ours.certificate, key })).rejects.toMatchObject({
    code: 'ca-unusable',
  })
  await expect(loadAuthority('greens', { certificate: '', key: '' })).rejects.toMatchObject({ code: 'ca-unusable' })
})

test('names that could mean another thing are refused', async () => {
  const authority = await createAuthority('greens')
  await expect(authority.issueNode({ id: 'a/b', publicKey: rawEd25519() })).rejects.toMatchObject({
    code: 'id-invalid',
  })
  await expect(authority.issueClient({ name: 'x,OU=node' })).rejects.toMatchObject({ code: 'id-invalid' })
  await expect(authority.issueNode({ id: 'pi', publicKey: new Uint8Array(31) })).rejects.toMatchObject({
    code: 'bytes-malformed',
  })
})
