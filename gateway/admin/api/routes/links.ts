import Type from 'typebox'
import { type Api, answers } from '../route.ts'
import { LinkFilter, LinkView } from '../schemas/links.ts'
import type { Services } from '../services.ts'

export function linkRoutes(api: Api, { links }: Services): void {
  api.get(
    '/v1/links',
    {
      schema: {
        tags: ['links'],
        summary: 'Calls between modules that leave their cell: how many, how large, how long, and how they failed',
        querystring: LinkFilter,
        response: answers(Type.Array(LinkView)),
      },
    },
    ({ query }) => links.list(query.app),
  )
}
