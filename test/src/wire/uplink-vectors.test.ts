import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { siteJoinProof, siteJoinRequest } from '@hypha/core/wire/messages/site-join.ts'
import { type SiteWord, siteWord, type UpstreamWord, upstreamWord } from '@hypha/core/wire/messages/uplink.ts'
import { describe, expect, it } from 'vitest'
import vectors from '../../vectors/uplink.json' with { type: 'json' }

// The bytes are fixed: sites and upstreams of different releases speak to each other.

const incarnation = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const stream = new Uint8Array(16).fill(7)
const at = 1_795_400_000_000

const siteWords: Record<string, SiteWord> = {
  hello: { kind: 'hello', incarnation, begin: 41 },
  batch: {
    kind: 'batch',
    after: 41,
    upTo: 44,
    series: [
      { app: 'garden', module: 'sampler', home: 'pi-7', metric: 'temperature', node: 'pi-7', incarnation, epoch: 3 },
      { app: 'garden', module: 'advisor', home: null, metric: 'asked', node: 'cloud', incarnation, epoch: 3 },
    ],
    samples: [
      { series: 0, at, seq: 9, value: 21.5 },
      { series: 1, at: at + 1, seq: 4, value: Number.NaN },
    ],
    events: [
      { number: 43, at, node: null, app: 'garden', module: null, home: null, code: 'placed', text: 'advisor on cloud' },
    ],
    logs: [
      { number: 44, at, node: 'pi-7', app: 'garden', module: 'sampler', home: 'pi-7', level: 'warn', text: 'dry' },
    ],
  },
  invite: { kind: 'invite', url: 'hypha://10.0.0.1:8443/garden/cloud?token=x' },
  leave: { kind: 'leave' },
  stream: { kind: 'stream', stream },
  ping: { kind: 'ping' },
}

const upstreamWords: Record<string, UpstreamWord> = {
  welcome: { kind: 'welcome', site: 'north', upTo: 41, wants: true, certificate: null },
  ack: { kind: 'ack', upTo: 44 },
  open: { kind: 'open', stream, target: 'broker' },
  invite: { kind: 'invite' },
  ended: { kind: 'ended', code: 'site-revoked', message: 'north was revoked' },
  pong: { kind: 'pong' },
}

describe('words over an uplink', () => {
  it.each(Object.entries(siteWords))('A site’s %s has these bytes.', (name, word) => {
    expect(toHex(siteWord.encode(word))).toBe((vectors.site as Record<string, string>)[name])
    expect(siteWord.decode(fromHex((vectors.site as Record<string, string>)[name]!))).toEqual(word)
  })
  it.each(Object.entries(upstreamWords))('An upstream’s %s has these bytes.', (name, word) => {
    expect(toHex(upstreamWord.encode(word))).toBe((vectors.upstream as Record<string, string>)[name])
    expect(upstreamWord.decode(fromHex((vectors.upstream as Record<string, string>)[name]!))).toEqual(word)
  })
})

it('A site’s request to join, and what it signs, have these bytes.', () => {
  const request = { site: 'north', token: 'a'.repeat(43), publicKey: new Uint8Array(32).fill(1) }
  expect(toHex(siteJoinProof('company', request))).toBe(vectors.join.signed)
  expect(toHex(siteJoinRequest.encode({ ...request, proof: new Uint8Array(64).fill(2) }))).toBe(vectors.join.request)
})
