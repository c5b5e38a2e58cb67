import { describe, expect, it } from 'vitest'
import { TrustFile } from '../../agent/trust-file.ts'
import { LossyFiles } from '../support/lossy-files.ts'
import { joined } from '../support/signed.ts'

const at = (gatewayTimeMs: number) => ({ ...joined(), gatewayTimeMs })

describe('what is trusted, on the disk', () => {
  it('is kept for several apps at the same time, and never older than any of them needs', async () => {
    const files = new LossyFiles()
    const trust = new TrustFile(files)
    let newest = at(1)
    const first = trust.keep(() => newest)
    newest = at(2)
    await Promise.all([first, trust.keep(() => newest), trust.keep(() => newest)])
    expect(new TrustFile(files.afterPowerCut(1)).read()?.gatewayTimeMs).toBe(2)
  })

  it('is not written again when nothing has changed', async () => {
    const files = new LossyFiles()
    await new TrustFile(files).keep(() => at(1))
    const again = files.afterPowerCut(1)
    await new TrustFile(again).keep(() => at(1))
    expect(again.operations).toBe(0)
  })

  it('can be kept after a disk was full', async () => {
    const files = new LossyFiles({ capacityBytes: 10 })
    const trust = new TrustFile(files)
    await expect(trust.keep(() => at(1))).rejects.toMatchObject({ code: 'disk-full' })
    files.capacityBytes = 100_000
    await trust.keep(() => at(1))
    expect(new TrustFile(files.afterPowerCut(3)).read()?.gatewayTimeMs).toBe(1)
  })
})
