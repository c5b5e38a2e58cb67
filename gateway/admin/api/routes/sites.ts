import { HyphaError } from '@hypha/core/errors.ts'
import Type from 'typebox'
import type { Federation } from '../federation.ts'
import { type Api, answers, callerOf } from '../route.ts'
import { Done, done, Id } from '../schemas/common.ts'
import {
  SiteInviteMade,
  SiteInviteRequest,
  SiteView,
  UpstreamAnswer,
  UpstreamLeft,
  UpstreamRequest,
} from '../schemas/sites.ts'

const tags = ['sites']
const SiteParams = Type.Object({ site: Id })

export function siteRoutes(api: Api, federation: Federation | undefined): void {
  const given = (): Federation => {
    if (federation === undefined) throw new HyphaError('not-found', 'This gateway takes no part in any federation')
    return federation
  }
  api.get(
    '/v1/upstream',
    { schema: { tags, summary: 'The upstream that this gateway has joined', response: answers(UpstreamAnswer) } },
    async () => ({ upstream: federation?.upstream.show() ?? null }),
  )
  api.post(
    '/v1/upstream',
    { schema: { tags, summary: 'Join an upstream', body: UpstreamRequest, response: answers(UpstreamAnswer) } },
    async (request) => ({ upstream: await given().upstream.join(request.body, callerOf(request)) }),
  )
  api.delete(
    '/v1/upstream',
    { schema: { tags, summary: 'Leave the upstream', response: answers(UpstreamLeft) } },
    async (request) => ({ told: await given().upstream.leave(callerOf(request)) }),
  )
  api.get(
    '/v1/sites',
    { schema: { tags, summary: 'Gateways that have joined this one', response: answers(Type.Array(SiteView)) } },
    async () => given().sites.list(),
  )
  api.post(
    '/v1/sites',
    { schema: { tags, summary: 'Invite a site', body: SiteInviteRequest, response: answers(SiteInviteMade) } },
    async (request) => given().sites.invite(request.body, callerOf(request)),
  )
  api.get(
    '/v1/sites/:site',
    { schema: { tags, summary: 'A site', params: SiteParams, response: answers(SiteView) } },
    async ({ params }) => given().sites.show(params.site),
  )
  api.post(
    '/v1/sites/:site/revoke',
    {
      schema: {
        tags,
        summary: 'Let a site in no more, and end what runs for it',
        params: SiteParams,
        response: answers(SiteView),
      },
    },
    (request) => given().sites.revoke(request.params.site, callerOf(request)),
  )
  api.delete(
    '/v1/sites/:site',
    {
      schema: {
        tags,
        summary: 'Forget a site, with all that it has forwarded',
        params: SiteParams,
        response: answers(Done),
      },
    },
    async (request) => {
      await given().sites.remove(request.params.site, callerOf(request))
      return done
    },
  )
}
