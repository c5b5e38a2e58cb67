import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTar, type TarFile, writeTar } from '@hypha/core/bytes/tar.ts'
import { toUtf8 } from '@hypha/core/bytes/text.ts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectCode } from '../../support/signed.ts'

const file = (name: string, text = name): TarFile => ({ name, bytes: toUtf8(text) })
const names = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}(\/[a-z0-9]{1,8}){0,3}$/), {
  maxLength: 20,
})

describe('the archive of a folder of program files', () => {
  it('has every file back, whatever is in it, and is the same bytes whatever the order was', () => {
    fc.assert(
      fc.property(
        names,
        fc.array(fc.uint8Array({ maxLength: 1_500 }), { minLength: 20, maxLength: 20 }),
        (all, parts) => {
          const files = all.map((name, index) => ({ name, bytes: parts[index]! }))
          const archive = writeTar(files)
          const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1))
          expect(readTar(archive)).toEqual(sorted)
          expect(writeTar([...files].reverse())).toEqual(archive)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('is unpacked by the tar of any system', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hypha-tar-'))
    try {
      writeFileSync(join(folder, 'a.tar'), writeTar([file('main.js'), file('worker/main.js', 'x'.repeat(700))]))
      execFileSync('tar', ['-xf', 'a.tar'], { cwd: folder })
      expect(readFileSync(join(folder, 'main.js'), 'utf8')).toBe('main.js')
      expect(readFileSync(join(folder, 'worker/main.js'), 'utf8')).toHaveLength(700)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('has no name that leads out of its folder, and none twice', () => {
    for (const name of [
      '../main.js',
      '/main.js',
      'a/../b',
      'a//b',
      '.hidden',
      'a/.b',
      '',
      'a'.repeat(100),
      'a b',
      'ä',
    ]) {
      expectCode('bytes-malformed', () => writeTar([file(name)]))
    }
    expectCode('bytes-malformed', () => writeTar([file('a'), file('a')]))
    expectCode('bytes-too-long', () => writeTar(Array.from({ length: 300 }, (_, index) => file(`f${index}`))))
  })

  it('is refused with one bit of a header changed, cut short, longer, or in another order', () => {
    const archive = writeTar([file('main.js'), file('worker/main.js')])
    fc.assert(
      fc.property(fc.nat({ max: 511 }), fc.nat({ max: 7 }), (at, bit) => {
        const other = archive.slice()
        other[at]! ^= 1 << bit
        expect(() => readTar(other)).toThrow()
      }),
    )
    for (let length = 0; length < archive.length; length += 100)
      expect(() => readTar(archive.slice(0, length))).toThrow()
    expectCode('bytes-malformed', () => readTar(Uint8Array.of(...archive, 0)))
    const entry = (from: number) => archive.slice(from, from + 1_024)
    const turned = Uint8Array.of(...entry(1_024), ...entry(0), ...new Uint8Array(1_024))
    expectCode('bytes-malformed', () => readTar(turned))
  })

  it('reads any bytes without another failure than its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3_000 }), (bytes) => {
        try {
          readTar(bytes)
        } catch (error) {
          expect((error as Error).name).toBe('HyphaError')
        }
      }),
    )
  })
})
