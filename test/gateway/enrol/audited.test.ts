import { expect, it } from 'vitest'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { createInvite } from '../../../gateway/enrol/invites.ts'
import { createEnrolment } from '../../../gateway/enrolment.ts'
import { parseJoinUrl } from '../../../src/wire/join-url.ts'
import { joinProof, joinRequest } from '../../../src/wire/messages/join.ts'
import { temporaryStore } from '../store/support.ts'
import { makeKeys } from './support.ts'

it('Who came into the fleet, by which invitation, stands in the audit log once', async () => {
  const store = temporaryStore()
  const joined: string[] = []
  const { join } = createEnrolment({
    store,
    authority: await createAuthority('greens'),
    root: () => new Uint8Array(1),
    chain: () => [],
    broker: () => ({ host: '127.0.0.1', port: 8883 }),
    joined: (node) => void joined.push(node),
  })
  const pins = { ca: '0'.repeat(64), root: '0'.repeat(64), host: '127.0.0.1', port: 8443 }
  const made = createInvite({ fleet: 'greens', node: 'pi-7', tier: 'device', ...pins }, store.invites)
  const keys = makeKeys()
  const { token } = parseJoinUrl(made.url)
  const request = { node: 'pi-7', token, publicKey: keys.publicKey, boxKey: keys.boxKey }
  const body = joinRequest.encode({ ...request, proof: keys.sign(joinProof('greens', request)) })
  const answer = await join(body)
  expect(await join(body)).toEqual(answer)
  expect(joined).toEqual(['pi-7'])
  expect(store.audit.list()).toMatchObject([
    {
      actor: 'gateway',
      action: 'node.join',
      subject: 'pi-7',
      details: { invite: made.invite.tokenDigest.slice(0, 12), certificate: store.nodes.get('pi-7')!.fingerprint },
    },
  ])
  expect(JSON.stringify(store.audit.list())).not.toContain(token)
})
