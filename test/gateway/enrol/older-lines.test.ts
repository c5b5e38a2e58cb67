import { expect, it } from 'vitest'
import type { Invite, InviteUse } from '../../../gateway/store/ports/invites.ts'
import { t0, temporaryStore } from '../store/support.ts'

// A line that was printed, lost and printed again: once a device has joined, whoever finds the first one must not become that device.

const invite = (tokenDigest: string, over: Partial<Invite> = {}): Invite => ({
  tokenDigest,
  node: 'pi-7',
  tier: 'device',
  labels: [],
  replaces: false,
  createdAt: t0,
  expiresAt: t0 + 86_400_000,
  used: null,
  ...over,
})
const use = (key: number): InviteUse => ({
  at: t0,
  publicKey: new Uint8Array(32).fill(key),
  boxKey: new Uint8Array(32).fill(key),
  fingerprint: `of key ${key}`,
  certificateExpiresAt: t0 + 1_000_000,
  answer: new Uint8Array(1),
})

it.each([false, true])('is void once a device has joined by another (for a replacement: %s)', (replaces) => {
  const store = temporaryStore()
  for (const token of ['lost', 'printed again']) store.invites.addInvite(invite(token, { replaces }))
  store.invites.addInvite(invite('for another', { node: 'pi-8' }))
  expect(store.invites.redeemInvite('printed again', use(1))).toBe(true)
  expect(store.invites.redeemInvite('lost', use(2))).toBe(false)
  expect(store.nodes.get('pi-7')?.publicKey).toEqual(use(1).publicKey)
  expect(store.invites.listInvites().map(({ tokenDigest }) => tokenDigest)).toEqual(['for another', 'printed again'])
})

it('is good where it was printed after the device had joined: that was meant', () => {
  const store = temporaryStore()
  store.invites.addInvite(invite('first'))
  store.invites.redeemInvite('first', use(1))
  store.invites.addInvite(invite('replacement', { replaces: true }))
  expect(store.invites.redeemInvite('replacement', use(2))).toBe(true)
  expect(store.nodes.get('pi-7')?.publicKey).toEqual(use(2).publicKey)
})
