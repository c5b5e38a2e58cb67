import { expect, it } from 'vitest'
import { handleRenew, type RenewDeps } from '../../../gateway/enrol/join.ts'
import { HyphaError } from '../../../src/errors.ts'
import { renewProof, renewRequest } from '../../../src/wire/messages/join.ts'
import { makeKeys, startTestGateway } from './support.ts'

// Renewal of nodes that aren't let in: told why where they prove their key, and never by way of a certificate that was on its way.

const started = async () => {
  const gateway = await startTestGateway()
  await gateway.close()
  const keys = makeKeys()
  const body = renewRequest.encode({ node: 'pi-7', proof: keys.sign(renewProof('greens', 'pi-7')) })
  const recorded: string[] = []
  const deps = (findNode: RenewDeps['findNode']): RenewDeps => ({
    ...gateway.deps,
    findNode,
    recordCertificate: (node) => void recorded.push(node),
  })
  return { keys, body, recorded, deps }
}

it.each(['node-revoked', 'cloned-identity'] as const)(
  '%s is told to who proves the key, and to nobody else',
  async (code) => {
    const { keys, body, recorded, deps } = await started()
    const refused = new HyphaError(code, 'it is not let in')
    const known = deps(() => ({ tier: 'device', publicKey: keys.publicKey, refused }))
    await expect(handleRenew(body, known)).rejects.toMatchObject({ code })
    const other = deps(() => ({ tier: 'device', publicKey: makeKeys().publicKey, refused }))
    await expect(handleRenew(body, other)).rejects.toMatchObject({ code: 'join-proof-invalid' })
    expect(recorded).toEqual([])
  },
)

it.each([
  [
    'revoked',
    'node-revoked',
    (publicKey: Uint8Array) => ({ publicKey, refused: new HyphaError('node-revoked', 'it was') }),
  ],
  ['replaced', 'join-proof-invalid', () => ({ publicKey: makeKeys().publicKey, refused: null })],
] as const)(
  'A node that is %s while its certificate is made gets none, and the gateway keeps none',
  async (_, code, later) => {
    const { keys, body, recorded, deps } = await started()
    let asked = 0
    const renewing = handleRenew(
      body,
      deps(() => ({ tier: 'device', ...(asked++ === 0 ? { publicKey: keys.publicKey } : later(keys.publicKey)) })),
    )
    await expect(renewing).rejects.toMatchObject({ code })
    expect(recorded).toEqual([])
  },
)

it('A node that asks for certificates without end gets some and no more, and who proves no key takes none of them', async () => {
  const { keys, body, recorded, deps } = await started()
  let left = 2
  const limited = (publicKey: Uint8Array): RenewDeps => ({
    ...deps(() => ({ tier: 'device', publicKey, refused: null })),
    mayRenew: () => left-- > 0,
  })
  await expect(handleRenew(body, limited(makeKeys().publicKey))).rejects.toMatchObject({ code: 'join-proof-invalid' })
  for (let count = 0; count < 2; count++) await handleRenew(body, limited(keys.publicKey))
  await expect(handleRenew(body, limited(keys.publicKey))).rejects.toMatchObject({ code: 'too-many-attempts' })
  expect(recorded).toEqual(['pi-7', 'pi-7'])
})
