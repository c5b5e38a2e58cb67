import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressGroup } from '../../../gateway/broker/address.ts'
import { firstRecordBytes, ticketNameOf } from '../../../gateway/broker/client-hello.ts'

const u16 = (value: number) => [value >> 8, value & 255]

/** A ClientHello with these extensions, in its record. */
function hello(extensions: readonly (readonly number[])[]): Buffer {
  const all = extensions.flat()
  const body = [3, 3, ...Array(32).fill(1), 2, 9, 9, ...u16(2), 0x13, 0x01, 1, 0, ...u16(all.length), ...all]
  const message = [1, 0, ...u16(body.length), ...body]
  return Buffer.from([22, 3, 1, ...u16(message.length), ...message])
}

const identity = [...Array(16).keys(), 77, 77]
const offered = [...u16(identity.length + 6), ...u16(identity.length), ...identity, 0, 0, 0, 0]
const preSharedKey = [0, 41, ...u16(offered.length), ...offered]
const other = [0, 10, 0, 2, 0, 0]

test("the key's name is read from the session that a ClientHello offers", () => {
  const name = Buffer.from(identity.slice(0, 16)).toString('hex')
  expect(ticketNameOf(hello([other, preSharedKey]))).toBe(name)
  expect(ticketNameOf(hello([other]))).toBeNull()
  expect(ticketNameOf(hello([]))).toBeNull()
})

test('a first record tells its length, and what is none is known by its first bytes', () => {
  const record = hello([other])
  expect(firstRecordBytes(record)).toBe(record.length)
  expect(firstRecordBytes(Buffer.from('GET / '))).toBeNull()
  expect(firstRecordBytes(Buffer.from([22, 3, 1, 0xff, 0xff]))).toBeNull()
  expect(firstRecordBytes(Buffer.from([22, 3, 1, 0, 0]))).toBeNull()
})

test('any bytes, and any damage to good ones, end in a name or in none', () => {
  const good = hello([other, preSharedKey])
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 300 }), (bytes) => {
      ticketNameOf(bytes)
    }),
  )
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
      const damaged = Buffer.from(good)
      damaged[at] = value
      ticketNameOf(damaged.subarray(0, length))
    }),
  )
})

test.each([
  ['10.0.0.7', '10.0.0.7'],
  ['::ffff:10.0.0.7', '10.0.0.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  [undefined, '?'],
])('%s counts as %s', (address, group) => expect(addressGroup(address)).toBe(group))
