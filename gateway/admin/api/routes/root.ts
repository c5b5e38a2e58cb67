import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { type Api, answers, bytesOf, callerOf, cborBody, unchecked } from '../route.ts'
import { RootView } from '../schemas/root.ts'
import type { Services } from '../services.ts'

const tags = ['root']

export function rootRoutes(api: Api, { root }: Services): void {
  api.get(
    '/v1/root',
    {
      schema: { tags, summary: 'Root metadata: whose signatures count', response: answers(RootView) },
    },
    () => root.show(),
  )
  api.post(
    '/v1/root',
    {
      schema: {
        tags,
        summary: 'Newer root metadata, signed by the keys of the one before and by its own',
        body: cborBody('{1: [COSE_Sign over root metadata, by rising version]}'),
        response: answers(RootView),
      },
      validatorCompiler: unchecked,
    },
    (request) => root.submit(rootChain.decode(bytesOf(request)).envelopes, callerOf(request)),
  )
}
