import { uplinkProtocol } from '@hypha/core/wire/messages/uplink.ts'
import mqtt from 'mqtt'
import { expect, it } from 'vitest'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { t0 } from '../store/support.ts'
import { connected, empty, hello, incarnation, read, Speaker, startUpstream } from './support.ts'

// Against the upstream's real listener: who is no site, who is another, and who says what no site may.

it('Whoever has no certificate, a node’s, a client’s or another authority’s opens no uplink', async () => {
  const upstream = await startUpstream()
  const other = await createAuthority('company')
  const north = await upstream.joined('north')
  const forged = await other.issueClient({ name: 'north' })
  const client = await upstream.authority.issueClient({ name: 'north' })
  const strangers = [
    {},
    { cert: forged.certificate, key: forged.key },
    { cert: client.certificate, key: client.key },
    await upstream.node('north'),
  ]
  for (const keys of strangers) {
    const speaker = new Speaker(upstream.dial(keys))
    speaker.say(hello)
    await speaker.ended
    expect(speaker.words).toEqual([])
  }
  expect(upstream.hub.online('north')).toBe(false)
  await connected(upstream, north)
})

it('A site’s certificate opens no MQTT session, with or without a name for its protocol', async () => {
  const upstream = await startUpstream()
  const { cert, key } = await upstream.joined('north')
  for (const ALPNProtocols of [undefined, ['mqtt']]) {
    const client = mqtt.connect({
      protocol: 'mqtts',
      host: '127.0.0.1',
      port: upstream.port,
      ca: upstream.authority.certificate,
      cert: cert!,
      key: key!,
      clientId: 'north',
      reconnectPeriod: 0,
      ...(ALPNProtocols ? { ALPNProtocols } : {}),
    })
    const error = await new Promise<Error>((resolve) => client.once('error', resolve))
    expect(error.message).toMatch(/refused|Not authorized/)
    client.end(true)
  }
  expect([...upstream.broker.connected()]).toEqual([])
})

it('A node that speaks MQTT is let in as before, whatever protocol it names', async () => {
  const upstream = await startUpstream()
  const { cert, key } = await upstream.node('pi-7')
  const options = {
    protocol: 'mqtts',
    host: '127.0.0.1',
    port: upstream.port,
    ca: upstream.authority.certificate,
  } as const
  const client = mqtt.connect({
    ...options,
    cert: cert!,
    key: key!,
    clientId: 'pi-7',
    ALPNProtocols: ['mqtt'],
    reconnectPeriod: 0,
  })
  await new Promise((resolve) => client.once('connect', resolve))
  client.end(true)
})

it('What a site forwards is stored as its own; a batch that does not follow, or of another incarnation, ends its connection', async () => {
  const upstream = await startUpstream()
  const [north, south] = [await upstream.joined('north'), await upstream.joined('south')]
  await connected(upstream, south)
  const log = {
    number: 1,
    at: t0,
    node: 'pi-1',
    app: 'garden',
    module: 'sampler',
    home: null,
    level: 'info' as const,
    text: 'hello',
  }
  const speaker = await connected(upstream, north)
  speaker.say({ kind: 'batch', after: 0, upTo: 1, ...empty, logs: [log] })
  expect(await speaker.heard('ack')).toEqual({ kind: 'ack', upTo: 1 })
  speaker.say({ kind: 'batch', after: 5, upTo: 6, ...empty, logs: [log] })
  await speaker.ended
  const lines = (site: string) => upstream.store.sites.telemetry(site).logs.list().length
  expect([lines('north'), lines('south'), upstream.store.logs.list().length]).toEqual([1, 0, 0])
})

it('A site opens no stream that another was asked for, nor one that it guesses', async () => {
  const upstream = await startUpstream()
  const [north, south] = [await upstream.joined('north'), await upstream.joined('south')]
  const control = await connected(upstream, north)
  await connected(upstream, south)
  const opening = upstream.hub.openStream('north', 'broker')
  const { stream, target } = await control.heard('open')
  expect(target).toBe('broker')
  for (const [keys, guess] of [
    [south, stream],
    [north, new Uint8Array(16)],
  ] as const) {
    const thief = new Speaker(upstream.dial(keys))
    thief.say({ kind: 'stream', stream: guess })
    expect(await thief.heard('ended')).toMatchObject({ code: 'site-refused' })
    await thief.ended
  }
  // With bytes of the stream right behind the word.
  const genuine = new Speaker(upstream.dial(north))
  genuine.say({ kind: 'stream', stream })
  genuine.raw(Buffer.from('first bytes'))
  const opened = await opening
  expect(await read(opened)).toBe('first bytes')
  // It is good for once.
  const again = new Speaker(upstream.dial(north))
  again.say({ kind: 'stream', stream })
  expect(await again.heard('ended')).toMatchObject({ code: 'site-refused' })
})

it('A site has so many streams and no more, and a stream that is not opened in time is given up', async () => {
  const upstream = await startUpstream({ maxStreams: 2, openTimeoutMs: 50 })
  await connected(upstream, await upstream.joined('north'))
  const given = [
    upstream.hub.openStream('north', 'api'),
    upstream.hub.openStream('north', 'api'),
    upstream.hub.openStream('north', 'api'),
  ]
  const outcomes = await Promise.allSettled(given)
  expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.message)).toEqual([
    expect.stringMatching(/not opened/),
    expect.stringMatching(/not opened/),
    expect.stringMatching(/2 are open/),
  ])
})

const frames: Record<string, Uint8Array> = {
  'a length beyond the cap': Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3),
  'no CBOR': Uint8Array.of(0, 0, 0, 3, 0xff, 0xff, 0xff),
  'a kind that there is not': Uint8Array.of(0, 0, 0, 3, 0x82, 0x18, 0x63, 0xa0),
  'an empty frame': Uint8Array.of(0, 0, 0, 0),
  'a word without its fields': Uint8Array.of(0, 0, 0, 3, 0x82, 0x01, 0xa0),
  HTTP: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
}

it.each(Object.entries(frames))('%s ends the connection that it came over, and nothing else', async (_name, bytes) => {
  const upstream = await startUpstream()
  const [north, south] = [await upstream.joined('north'), await upstream.joined('south')]
  const bystander = await connected(upstream, south)
  const speaker = new Speaker(upstream.dial(north))
  speaker.raw(bytes)
  await speaker.ended
  const later = await connected(upstream, north)
  later.raw(bytes)
  await later.ended
  bystander.say({ kind: 'ping' })
  await bystander.heard('pong')
  expect(upstream.hub.online('north')).toBe(false)
})

it('A connection that does not begin with a greeting or a stream is told so, and ends', async () => {
  const upstream = await startUpstream()
  const speaker = new Speaker(upstream.dial(await upstream.joined('north')))
  speaker.say({ kind: 'batch', after: 0, upTo: 1, ...empty })
  expect(await speaker.heard('ended')).toMatchObject({ code: 'message-malformed' })
  await speaker.ended
})

it('Who says nothing is cut off, and so many at once are not waited for', async () => {
  const upstream = await startUpstream({ firstWordMs: 100, maxSilent: 2 })
  const north = await upstream.joined('north')
  const silent = [1, 2, 3].map(() => new Speaker(upstream.dial(north)))
  await Promise.all(silent.map(({ ended }) => ended))
  await connected(upstream, north)
})

it('A site that was revoked, or whose key is another by now, is told so and cut off with its streams', async () => {
  const upstream = await startUpstream()
  const old = await upstream.joined('north')
  const north = await upstream.joined('north')
  const refused = new Speaker(upstream.dial(old))
  refused.say(hello)
  expect(await refused.heard('ended')).toMatchObject({ code: 'site-refused' })

  const control = await connected(upstream, north)
  const opening = upstream.hub.openStream('north', 'broker')
  const { stream } = await control.heard('open')
  const far = new Speaker(upstream.dial(north))
  far.say({ kind: 'stream', stream })
  const opened = await opening
  upstream.store.sites.revoke('north', t0)
  upstream.hub.end('north', 'site-revoked', 'north was revoked')
  expect(await control.heard('ended')).toMatchObject({ code: 'site-revoked' })
  await Promise.all([control.ended, far.ended])
  expect(opened.destroyed).toBe(true)
  const again = new Speaker(upstream.dial(north))
  again.say(hello)
  expect(await again.heard('ended')).toMatchObject({ code: 'site-revoked' })
})

it('Whoever connects later with the site’s key is the site, and the connection before ends', async () => {
  const upstream = await startUpstream()
  const north = await upstream.joined('north')
  const first = await connected(upstream, north)
  const second = await connected(upstream, north)
  await first.ended
  second.say({ kind: 'batch', after: 0, upTo: 1, ...empty })
  await second.heard('ack')
  expect(upstream.hub.online('north')).toBe(true)
  expect(upstream.store.sites.get('north')!.incarnation).toEqual(incarnation)
})

it('An uplink that does not name the protocol is taken for MQTT, and refused there', async () => {
  const upstream = await startUpstream()
  const speaker = new Speaker(upstream.dial(await upstream.joined('north'), [`${uplinkProtocol}x`]))
  speaker.say(hello)
  await speaker.ended
  expect(speaker.words).toEqual([])
})
