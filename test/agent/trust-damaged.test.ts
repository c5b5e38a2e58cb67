import { expect, it } from 'vitest'
import { openVerifier } from '../../agent/open-verifier.ts'
import { TrustFile } from '../../agent/trust-file.ts'
import { LossyFiles } from '../support/lossy-files.ts'
import { crypto, joined, startMs } from '../support/signed.ts'

// What a node has come to trust keeps old metadata from being played to it again. Damaged, it must not be taken for a node that has just joined.

async function kept() {
  const files = new LossyFiles()
  const snapshot = joined()
  await new TrustFile(files).keep(() => snapshot)
  return {
    files,
    bytes: files.read('trust')!,
    identity: { fleet: snapshot.fleet, node: snapshot.node, root: snapshot.root },
  }
}

const open = (bytes: Uint8Array, identity: Parameters<typeof openVerifier>[1]) => {
  const files = { read: () => bytes } as never
  return openVerifier(new TrustFile(files), identity, crypto, () => startMs)
}

it('Whole, it is gone on from', async () => {
  const { bytes, identity } = await kept()
  expect(open(bytes, identity).snapshot).toMatchObject({ node: identity.node })
})

it('Cut off anywhere, it opens nothing, and the error says what to do', async () => {
  const { bytes, identity } = await kept()
  for (let length = 0; length < bytes.length; length++) {
    expect(() => open(bytes.subarray(0, length), identity)).toThrow(
      expect.objectContaining({ code: 'trust-damaged', mend: expect.stringContaining('hypha-agent join URL --again') }),
    )
  }
})

it('Of another node, it opens nothing', async () => {
  const { bytes, identity } = await kept()
  expect(() => open(bytes, { ...identity, node: 'another' })).toThrow(
    expect.objectContaining({ code: 'trust-damaged' }),
  )
})
