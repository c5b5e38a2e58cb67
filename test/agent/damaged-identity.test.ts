import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadIdentity } from '../../agent/home.ts'

test('an identity that can not be read is named, with the way back', () => {
  const home = mkdtempSync(join(tmpdir(), 'hypha-identity-'))
  try {
    writeFileSync(join(home, 'identity'), Uint8Array.of(0xff, 1, 2))
    expect(() => loadIdentity(home)).toThrow(
      expect.objectContaining({
        code: 'bytes-malformed',
        message: expect.stringContaining(`${join(home, 'identity')} holds no identity`),
        mend: expect.stringContaining('hypha invite NAME --replace'),
      }),
    )
  } finally {
    rmSync(home, { recursive: true })
  }
})
