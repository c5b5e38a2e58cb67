import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import { expect, it } from 'vitest'
import { FakeClock } from '../../support/fake-clock.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { makeDirective, signDirective, startMs, thief } from '../../support/signed.ts'
import { coreOf, Network, startNode } from './node.ts'

// A directive is written down, which takes its time, before it is acted on; another may come and be refused meanwhile.

it('tells of a directive that was refused while the one before was being written down', async () => {
  const network = new Network()
  network.offer(5, coreOf(1))
  const node = await startNode(new LossyFiles(), network, new FakeClock(startMs), 'boot 1')
  await node.boot()
  const forged = signDirective(makeDirective({ version: 6 }), thief)
  await Promise.all(
    [network.directive!, forged].map((envelope) =>
      node.pipeline.directive(directiveMessage.encode({ envelope, attachments: [] })),
    ),
  )
  expect(node.pipeline.refused).toMatchObject({ code: 'threshold-not-met' })
})
