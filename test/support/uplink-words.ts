import type { SiteWord, UpstreamWord } from '@hypha/core/wire/messages/uplink.ts'

// One of each word that goes over an uplink.

const incarnation = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const stream = new Uint8Array(16).fill(7)
const at = 1_795_400_000_000

export const siteWords: Record<string, SiteWord> = {
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

export const upstreamWords: Record<string, UpstreamWord> = {
  welcome: { kind: 'welcome', site: 'north', upTo: 41, wants: true, certificate: null },
  ack: { kind: 'ack', upTo: 44 },
  open: { kind: 'open', stream, target: 'broker' },
  invite: { kind: 'invite' },
  ended: { kind: 'ended', code: 'site-revoked', message: 'north was revoked' },
  pong: { kind: 'pong' },
}
