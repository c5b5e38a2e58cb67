import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatJoinUrl, type JoinUrl, parseJoinUrl } from '../../../src/wire/join-url.ts'

const hex = '0123456789abcdef'.repeat(4)
const token = 'A'.repeat(43)
const good = `hypha://gw.lan:8443/greens/pi-7?token=${token}&ca=${hex}&root=${hex}`

const of = (characters: string, minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom(...characters), { minLength, maxLength }).map((all) => all.join(''))
const digest = of('0123456789abcdef', 64, 64)
const urls: fc.Arbitrary<JoinUrl> = fc.record({
  host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
  port: fc.integer({ min: 1, max: 65_535 }),
  fleet: of('abc019', 1, 40),
  node: of('abc019', 1, 40),
  token: of('abcXYZ019-_', 22, 64),
  ca: digest,
  root: digest,
})

test('a printed join URL reads as what it was made of', () => {
  fc.assert(
    fc.property(urls, (url) => {
      expect(parseJoinUrl(formatJoinUrl(url))).toEqual(url)
    }),
  )
})

test('the parameters may stand in any order', () => {
  const turned = `hypha://gw.lan:8443/greens/pi-7?root=${hex}&ca=${hex}&token=${token}`
  expect(parseJoinUrl(turned)).toEqual(parseJoinUrl(good))
})

test.each([
  ['another scheme', good.replace('hypha:', 'https:')],
  ['no port', good.replace(':8443', '')],
  ['a port over 65535', good.replace(':8443', ':70000')],
  ['a lacking parameter', good.replace(/&root=.*/, '')],
  ['a parameter twice', `${good}&ca=${hex}`],
  ['an unknown parameter', `${good}&then=rm`],
  ['a parameter named like a property of all objects', `${good}&constructor=x`],
  ['a short digest', good.replace(`ca=${hex}`, `ca=${hex.slice(2)}`)],
  ['a fragment', `${good}#x`],
  ['a token with other characters', good.replace(token, `${token}%20`)],
  ['a very long text', good + 'a'.repeat(2_000)],
  ['nothing', ''],
])('refused is %s', (_, text) => {
  expect(() => parseJoinUrl(text)).toThrow(expect.objectContaining({ code: 'join-url-invalid' }))
})

test("the token isn't in the error", () => {
  try {
    parseJoinUrl(`${good}&x=1`)
    expect.unreachable()
  } catch (error) {
    expect(String(error)).not.toContain(token)
  }
})
