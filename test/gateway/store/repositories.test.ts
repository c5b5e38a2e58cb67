import { describe, expect, it } from 'vitest'
import { settingsFor } from '../../../gateway/store/settings.ts'
import { addNode, addRelease, bytesOf, t0, temporaryPath, temporaryStore } from './support.ts'

const use = {
  at: t0 + 5,
  publicKey: new Uint8Array(32).fill(7),
  boxKey: new Uint8Array(32).fill(8),
  fingerprint: 'ef',
  certificateExpiresAt: t0 + 9,
  answer: bytesOf('the answer'),
}
const invite = {
  tokenDigest: 'digest of a token',
  node: 'pi-7',
  tier: 'edge' as const,
  labels: ['room=north'],
  replaces: false,
  createdAt: t0,
  expiresAt: t0 + 1_000,
  used: null,
}

describe('an invitation', () => {
  it('is redeemed once, together with the node, and keeps its answer', () => {
    const store = temporaryStore()
    store.invites.addInvite(invite)
    expect(store.invites.findInvite(invite.tokenDigest)).toEqual(invite)
    expect(store.invites.redeemInvite('another', use)).toBe(false)
    expect(store.invites.redeemInvite(invite.tokenDigest, use)).toBe(true)
    expect(store.invites.redeemInvite(invite.tokenDigest, { ...use, at: t0 + 6 })).toBe(false)
    expect(store.invites.findInvite(invite.tokenDigest)).toEqual({ ...invite, used: use })
    expect(store.nodes.get('pi-7')).toMatchObject({
      tier: 'edge',
      labels: ['room=north'],
      fingerprint: 'ef',
      createdAt: use.at,
    })
  })

  it('for a node that is there replaces its keys and lets its connections count anew', () => {
    const store = temporaryStore()
    addNode(store, 'pi-7')
    store.nodes.setPresence('pi-7', { connection: 40, online: true, run: null, journal: null }, t0)
    store.invites.addInvite(invite)
    store.invites.redeemInvite(invite.tokenDigest, use)
    expect(store.nodes.get('pi-7')).toMatchObject({ publicKey: use.publicKey, presence: null, createdAt: t0 })
    expect(store.nodes.setPresence('pi-7', { connection: 1, online: true, run: null, journal: null }, t0)).toBe(true)
  })
})

describe('a release', () => {
  it('comes back with its envelope and contents after a restart', () => {
    const path = temporaryPath()
    const first = temporaryStore({}, path)
    const release = addRelease(first, 'greenhouse')
    expect(addRelease(first, 'greenhouse')).toEqual(release)
    const again = temporaryStore({}, path)
    expect(again.apps.releases('greenhouse')).toEqual([release])
    expect(again.apps.releaseByDigest(release.digest)).toEqual(release)
    expect(again.contents.get(release.envelope)).toEqual(bytesOf('greenhouse envelope 1'))
  })

  it('with the number of another is refused', () => {
    const store = temporaryStore()
    const { envelope: _, ...release } = addRelease(store, 'greenhouse')
    const other = { ...release, digest: 'other', envelope: new Uint8Array(1), contents: [] }
    expect(() => store.apps.addRelease(other)).toThrow(expect.objectContaining({ code: 'store-conflict' }))
  })

  it('that is removed takes along what only it used', () => {
    const store = temporaryStore()
    const shared = bytesOf('shared')
    const [first, second] = [addRelease(store, 'greenhouse', 1, shared), addRelease(store, 'greenhouse', 2, shared)]
    const digest = store.contents.put(shared)
    expect(store.apps.removeRelease('greenhouse', 1)).toBe(true)
    expect([store.contents.size(first.envelope), store.contents.size(digest)]).toEqual([null, shared.length])
    store.apps.removeRelease('greenhouse', 2)
    expect([store.contents.size(second.envelope), store.contents.size(digest)]).toEqual([null, null])
  })
})

it('Of several settings the most specific counts', () => {
  const store = temporaryStore()
  const set = (module: string | null, node: string | null, key: string, value: string) =>
    store.settings.set({ app: 'greenhouse', module, node, key, setting: { kind: 'plain', value } }, t0)
  set(null, null, 'unit', 'all')
  set('sampler', null, 'unit', 'module')
  set(null, 'pi-7', 'unit', 'node')
  set('sampler', 'pi-8', 'unit', 'both')
  set('other', 'pi-7', 'unit', 'no')
  const sealed = { kind: 'sealed' as const, senderKey: bytesOf('a'), nonce: bytesOf('b'), box: bytesOf('c') }
  store.settings.set({ app: 'greenhouse', module: null, node: 'pi-7', key: 'password', setting: sealed }, t0)
  const value = (module: string, node: string) => {
    const { unit } = settingsFor(store.settings.list('greenhouse'), { module, node })
    return unit?.kind === 'plain' ? unit.value : null
  }
  expect([
    value('ledger', 'pi-9'),
    value('sampler', 'pi-9'),
    value('sampler', 'pi-7'),
    value('sampler', 'pi-8'),
  ]).toEqual(['all', 'module', 'node', 'both'])
  expect(settingsFor(store.settings.list('greenhouse'), { module: 'x', node: 'pi-7' }).password).toEqual(sealed)
  expect(store.settings.remove({ app: 'greenhouse', module: null, node: null, key: 'unit' })).toBe(true)
  expect(value('ledger', 'pi-9')).toBeNull()
})

it('The version of a directive only rises', () => {
  const store = temporaryStore()
  addNode(store, 'pi-7')
  const make = (version: number) => ({
    fleet: 'greens',
    node: 'pi-7',
    version,
    issuedMs: t0,
    expiresMs: t0,
    sections: [],
    leave: false,
  })
  expect(store.directives.version('pi-7')).toBe(0)
  expect(store.directives.put(make(3), bytesOf('three'))).toBe(true)
  expect(store.directives.put(make(3), bytesOf('again'))).toBe(false)
  expect(store.directives.put(make(2), bytesOf('two'))).toBe(false)
  expect(store.directives.get('pi-7')).toMatchObject({ version: 3, directive: make(3), envelope: bytesOf('three') })
})

it('A token that has expired is not found, and a name is given once', () => {
  const store = temporaryStore()
  const token = { name: 'ci', digest: 'd', role: 'operator' as const, apps: [], createdAt: t0, expiresAt: t0 + 10 }
  expect(store.tokens.add(token)).toBe(true)
  expect(store.tokens.add({ ...token, digest: 'e' })).toBe(false)
  expect(store.tokens.find('d', t0)).toEqual({ ...token, lastUsedAt: null })
  expect(store.tokens.find('d', t0 + 10)).toBeNull()
})

it('The audit log can only be added to', () => {
  const store = temporaryStore()
  store.audit.add({ at: t0, actor: 'local', action: 'node.remove', subject: 'pi-7', details: { force: true } })
  expect(() => store.db.exec('DELETE FROM audit')).toThrow('only ever added to')
  expect(() => store.db.exec("UPDATE audit SET actor = 'nobody'")).toThrow('only ever added to')
  expect(store.audit.list()).toMatchObject([{ actor: 'local', details: { force: true } }])
})

it('Events and logs are read newest first look, and on from there', () => {
  const store = temporaryStore()
  const add = (code: string, node: string) =>
    store.events.add({ at: t0, node, app: null, module: null, home: null, code, text: '' })
  for (let count = 0; count < 5; count++) add(`code-${count}`, count % 2 ? 'pi-7' : 'pi-8')
  const last = store.events.list({ limit: 2 })
  expect(last.map(({ code }) => code)).toEqual(['code-3', 'code-4'])
  expect(store.events.list({ node: 'pi-7' }).map(({ code }) => code)).toEqual(['code-1', 'code-3'])
  add('later', 'pi-7')
  expect(store.events.list({ after: last[1]!.id }).map(({ code }) => code)).toEqual(['later'])
})

it('A counter never gives a number twice, and can be pushed up', () => {
  const path = temporaryPath()
  const { meta } = temporaryStore({}, path)
  expect([meta.next('epoch'), meta.next('epoch'), meta.next('epoch', 10), meta.next('epoch', 5)]).toEqual([
    1, 2, 10, 11,
  ])
  expect(temporaryStore({}, path).meta.next('epoch')).toBe(12)
})

it('What was committed is durable by default, and less so only on request', () => {
  expect(temporaryStore().db.pragma('synchronous', { simple: true })).toBe(2)
  expect(temporaryStore({ synchronous: 'NORMAL' }).db.pragma('synchronous', { simple: true })).toBe(1)
  expect(temporaryStore().db.pragma('foreign_keys', { simple: true })).toBe(1)
})
