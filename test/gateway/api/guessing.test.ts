import { expect, test } from 'vitest'
import { Failures } from '../../../gateway/admin/api/failures.ts'
import { addressGroup } from '../../../gateway/connections.ts'
import { call } from './calls.ts'
import { onSocket, onTls, startGateway } from './gateway.ts'

const limits = { failures: 3, failuresInAll: 10, windowMs: 60_000, addresses: 100, goodMs: 3_600_000 }

function refuses(failures: Failures, address: string): boolean {
  try {
    failures.check(address)
    return false
  } catch (error) {
    expect(error).toMatchObject({ code: 'too-many-attempts' })
    return true
  }
}

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:2::', '2001:db8:1:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['2001:db8::1:0:0:7', '2001:db8:0:0::/64'],
  ['?', '?'],
])('the address %s counts as %s', (address, group) => {
  expect(addressGroup(address)).toBe(group)
})

test('guessing from one address, or from one /64 of IPv6, is stopped until the window is over', () => {
  let now = 0
  const failures = new Failures(limits, () => now)
  for (const host of ['1', '2', '3']) failures.add(`2001:db8::${host}`)
  expect(refuses(failures, '2001:db8::ffff')).toBe(true)
  expect(refuses(failures, '2001:db8:0:1::1')).toBe(false)
  now = 60_000
  expect(refuses(failures, '2001:db8::ffff')).toBe(false)
})

test('guessing from many addresses at once is stopped in all, but who was right lately is heard', () => {
  let now = 0
  const failures = new Failures(limits, () => now)
  failures.succeeded('198.51.100.1')
  for (let host = 1; host <= 10; host++) failures.add(`192.0.2.${host}`)
  expect(refuses(failures, '203.0.113.9')).toBe(true)
  expect(refuses(failures, '198.51.100.1')).toBe(false)
  now = 60_000
  expect(refuses(failures, '203.0.113.9')).toBe(false)
})

test('wrong tokens and refused calls stand in the audit log; a flood of them leaves few entries, and their number', async () => {
  const gateway = await startGateway()
  const socket = await onSocket(gateway)
  const tls = await onTls(gateway, { failureLimits: { failures: 2 } })
  await call(tls, 'GET', '/v1/status')
  for (let count = 0; count < 40; count++) await call({ ...tls, token: 'guess' }, 'GET', '/v1/status')
  const entries = async () => (await call(socket, 'GET', '/v1/audit')).json as { details: object; actor: string }[]
  const written = await entries()
  expect(written).toHaveLength(30)
  expect(written.at(-1)).toMatchObject({
    actor: 'unknown',
    action: 'denied',
    subject: 'GET /v1/status',
    details: { code: 'not-signed-in', address: '127.0.0.1' },
  })
  expect(written[0]).toMatchObject({ details: { code: 'too-many-attempts' } })

  gateway.clock.advance(120_000)
  await call({ ...tls, token: 'guess' }, 'GET', '/v1/status')
  const after = await entries()
  expect(after).toHaveLength(31)
  expect(after[0]).toMatchObject({ details: { unwritten: 10 } })
})
