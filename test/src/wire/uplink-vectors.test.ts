import { fromHex, toHex } from '@hypha/core/bytes/text.ts'
import { siteJoinProof, siteJoinRequest } from '@hypha/core/wire/messages/site-join.ts'
import { siteWord, upstreamWord } from '@hypha/core/wire/messages/uplink.ts'
import { describe, expect, it } from 'vitest'
import { siteWords, upstreamWords } from '../../support/uplink-words.ts'
import vectors from '../../vectors/uplink.json' with { type: 'json' }

// The bytes are fixed: sites and upstreams of different releases speak to each other.

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
