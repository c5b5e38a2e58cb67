import { expect, test } from 'vitest'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { PendingOptions } from '../../../gateway/services/pending-options.ts'
import { addSignature } from '../../../src/trust/cose.ts'
import { maxReleaseBytes } from '../../../src/trust/snapshot.ts'
import { keys } from '../../support/signed.ts'
import { componentImporting, pushOf, startFleet } from '../api/gateway.ts'

const memory = () => {
  const values = new Map<string, string | number | Uint8Array>()
  return {
    get: (key: string) => values.get(key) ?? null,
    put: (key: string, value: string | number | Uint8Array) => void values.set(key, value),
  }
}

test('What was said at the push of a release that waits is kept, until a newer one of the app waits or it is forgotten', () => {
  const kept = new PendingOptions(memory())
  kept.keep('greenhouse', 3, { approve: true })
  kept.keep('other', 1, { now: true })
  kept.keep('greenhouse', 3, { snap: true })
  expect([kept.of('greenhouse', 3), kept.of('greenhouse', 2)]).toEqual([{ approve: true, snap: true }, {}])
  kept.keep('greenhouse', 4, {})
  expect([kept.of('greenhouse', 3), kept.of('greenhouse', 4)]).toEqual([{}, {}])
  kept.forget('greenhouse')
  kept.forget('greenhouse')
  expect(kept.of('other', 1)).toEqual({ now: true })
})

test('A release that was pushed to wait for approval does so once the second hand has signed it', async () => {
  const gateway = await startFleet()
  const { root } = gateway.deps
  const two = { threshold: 2, keys: [keys.release.publicKey, keys.release2.publicKey] }
  Object.assign(gateway.deps, { root: () => ({ ...root(), release: two }) })
  const { envelope, components } = pushBody.decode(
    pushOf([{ name: 'sampler', component: await componentImporting('sensor') }]),
  )
  const { pushes, rollouts } = gateway.pipeline
  expect(await pushes.push(envelope, components, { approve: true })).toMatchObject({ pending: true })
  const again = addSignature(envelope, 'release', keys.release2, maxReleaseBytes)
  expect(await pushes.sign('greenhouse', 1, again)).toMatchObject({ pending: false })
  expect(rollouts.show('greenhouse').state).toBe('approval')
})
