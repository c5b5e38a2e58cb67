import { siteJoinAnswer, siteJoinRequest } from '@hypha/core/wire/messages/site-join.ts'
import { siteWord, upstreamWord } from '@hypha/core/wire/messages/uplink.ts'
import { siteWords, upstreamWords } from '../../support/uplink-words.ts'
import type { Target } from '../target.ts'
import { codecTarget } from './codec.ts'

const key = new Uint8Array(32).fill(7)
const proof = new Uint8Array(64).fill(3)

export const uplinkTargets: readonly Target[] = [
  codecTarget(siteWord, Object.values(siteWords)),
  codecTarget(upstreamWord, Object.values(upstreamWords)),
  codecTarget(siteJoinRequest, [{ site: 'north', token: 'a'.repeat(43), publicKey: key, proof }]),
  codecTarget(siteJoinAnswer, [
    { fleet: 'company', certificate: '-----BEGIN CERTIFICATE-----', host: '::1', port: 8883 },
  ]),
]
