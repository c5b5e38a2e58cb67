import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { commit } from '@hypha/core/trust/commit.ts'
import { directive } from '@hypha/core/trust/directive.ts'
import { receipt } from '@hypha/core/trust/receipt.ts'
import { release } from '@hypha/core/trust/release.ts'
import { rootMetadata } from '@hypha/core/trust/root.ts'
import { describe, expect, it } from 'vitest'
import {
  crypto,
  keys,
  makeCommit,
  makeDirective,
  makeModule,
  makeReceipt,
  makeRelease,
  makeRoot,
  makeSection,
  nodeKey,
  signCommit,
  signDirective,
  signReceipt,
  signRelease,
  signRoot,
} from '../../support/signed.ts'

// Every byte of what is signed is fixed: other programs, a board's firmware too, read the same files. The keys are those of
// `test/support/signed.ts`. A change that is meant is written with `vitest run -u`, and breaks what is deployed.

const sensor = { name: 'hypha:host/sensor@0.1.0', funcs: [{ name: 'read', params: [], result: 'f64' as const }] }
const value = makeRelease({ modules: [makeModule({ world: { imports: [sensor], exports: [] } })] })
const [section] = [makeSection(value)]
const links = [{ interface: sensor.name, provider: { kind: 'host' as const } }]
const asked = makeDirective({
  sections: [
    {
      ...section,
      instances: [
        { module: 'sampler', home: 'pi-7', form: 'core', links, config: { unit: { kind: 'plain', value: 'C' } } },
      ],
    },
  ],
})
const said = makeCommit({ ...section!, epoch: 2, phase: 'prepare', wave: 1 })
const flipped = makeReceipt()
const root = makeRoot({ root: { threshold: 2, keys: [keys.root.publicKey, keys.root2.publicKey] } })

const vectors = {
  root: {
    payload: rootMetadata.encode(root),
    envelope: signRoot(root, [keys.root, keys.root2]),
    by: [keys.root, keys.root2],
  },
  release: { payload: release.encode(value), envelope: signRelease(value), by: [keys.release] },
  directive: { payload: directive.encode(asked), envelope: signDirective(asked), by: [keys.gateway] },
  commit: { payload: commit.encode(said), envelope: signCommit(said), by: [keys.gateway] },
  receipt: { payload: receipt.encode(flipped), envelope: signReceipt(flipped), by: [nodeKey] },
}
const decoders = { root: rootMetadata, release, directive, commit, receipt }
const values = { root, release: value, directive: asked, commit: said, receipt: flipped }

describe('The bytes of signed metadata', () => {
  it.each(['root', 'release', 'directive', 'commit', 'receipt'] as const)(
    'are those in test/vectors/%s.json',
    async (kind) => {
      const { payload, envelope, by } = vectors[kind]
      const shown = {
        publicKeys: by.map(({ publicKey }) => toHex(publicKey)),
        payload: toHex(payload),
        payloadSha256: toHex(crypto.sha256(payload)),
        envelope: toHex(envelope),
        envelopeSha256: toHex(crypto.sha256(envelope)),
      }
      await expect(`${JSON.stringify(shown, null, 2)}\n`).toMatchFileSnapshot(`../../vectors/${kind}.json`)
      expect(decoders[kind].decode(fromHex(shown.payload))).toEqual(values[kind])
    },
  )
})
