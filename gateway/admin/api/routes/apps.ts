import { maxReleaseBytes } from '@hypha/core/trust/snapshot.ts'
import Type, { type Static } from 'typebox'
import type { RolloutOptions } from '../../../distribute/rollout-policy.ts'
import { maxPushBytes, pushBody } from '../push-body.ts'
import { type Api, AppParams, answers, bytesOf, callerOf, cbor, cborAnswer, cborBody, unchecked } from '../route.ts'
import { AppDetail, AppSummary, PushAnswer, ReleaseDetail, ReleaseEnvelope, ReleaseSummary } from '../schemas/apps.ts'
import { Done, done, Id } from '../schemas/common.ts'
import { PlanAnswer } from '../schemas/plan.ts'
import type { Services } from '../services.ts'

const tags = ['apps']

const ReleaseParams = Type.Object({ app: Id, number: Type.Integer({ minimum: 1 }) })

export function appRoutes(api: Api, { apps }: Services): void {
  api.get('/v1/apps', { schema: { tags, summary: 'All apps', response: answers(Type.Array(AppSummary)) } }, () =>
    apps.list(),
  )
  api.get(
    '/v1/apps/:app',
    {
      schema: { tags, summary: 'One app and its instances', params: AppParams, response: answers(AppDetail) },
    },
    ({ params }) => apps.show(params.app),
  )
  api.delete(
    '/v1/apps/:app',
    {
      schema: { tags, summary: 'Remove an app with all that it has', params: AppParams, response: answers(Done) },
    },
    async (request) => {
      await apps.remove(request.params.app, callerOf(request))
      return done
    },
  )
  api.get(
    '/v1/apps/:app/releases',
    {
      schema: {
        tags,
        summary: 'Its releases, the newest first',
        params: AppParams,
        response: answers(Type.Array(ReleaseSummary)),
      },
    },
    ({ params }) => apps.releases(params.app),
  )
  api.get(
    '/v1/apps/:app/releases/:number',
    {
      schema: {
        tags,
        summary: 'One release: what its modules need',
        params: ReleaseParams,
        response: answers(ReleaseDetail),
      },
    },
    ({ params }) => apps.release(params.app, params.number),
  )
  api.delete(
    '/v1/apps/:app/releases/:number',
    {
      schema: {
        tags,
        summary: 'Remove a release that waits for signatures, or neither runs nor is the newest',
        params: ReleaseParams,
        response: answers(Done),
      },
    },
    async (request) => {
      await apps.removeRelease(request.params.app, request.params.number, callerOf(request))
      return done
    },
  )
}

export function signRoutes(api: Api, { apps }: Services): void {
  api.get(
    '/v1/apps/:app/releases/:number/envelope',
    {
      schema: {
        tags,
        summary: 'What a further hand signs of a release, and who has signed it',
        params: ReleaseParams,
        response: answers(ReleaseEnvelope),
      },
    },
    ({ params }) => apps.envelope(params.app, params.number),
  )
  api.get(
    '/v1/apps/:app/releases/:number/pushed',
    {
      schema: {
        tags,
        summary: 'A release as it was pushed, with its components',
        params: ReleaseParams,
        response: cborAnswer('A map: 1 the signed release, 2 the list of its components'),
      },
    },
    async ({ params }, reply) => {
      const bytes = pushBody.encode(await apps.pushed(params.app, params.number))
      return reply.type(cbor).send(bytes as unknown as never)
    },
  )
  api.post(
    '/v1/apps/:app/releases/:number/signatures',
    {
      // What carries the envelope may have as much around it as nothing: it is the body itself.
      bodyLimit: maxReleaseBytes,
      validatorCompiler: unchecked,
      schema: {
        tags,
        summary: 'Add signatures to a release: it runs once it has enough',
        params: ReleaseParams,
        body: cborBody('The signed release (COSE_Sign) with the signature that is added'),
        response: answers(PushAnswer),
      },
    },
    (request) => {
      const { app, number } = request.params
      return apps.sign(app, Number(number), bytesOf(request), callerOf(request))
    },
  )
}

const said = (description: string) => Type.Optional(Type.Literal('true', { description }))

/** Said over what the release says of its rollout; each is left out or "true". */
const PushQuery = Type.Object({
  snap: said('All nodes at once, in one wave'),
  approve: said('Somebody has to approve it first'),
  now: said('Its windows are passed over'),
})

// The route's body is bytes, and so its validator is off.
const optionsOf = ({ snap, approve, now }: Static<typeof PushQuery>): RolloutOptions => ({
  ...(snap === 'true' ? { snap: true } : {}),
  ...(approve === 'true' ? { approve: true } : {}),
  ...(now === 'true' ? { now: true } : {}),
})

export function pushRoutes(api: Api, { apps }: Services): void {
  api.post(
    '/v1/plan',
    {
      validatorCompiler: unchecked,
      schema: {
        tags,
        summary: 'Where a release would run; changes nothing',
        body: cborBody("The release's payload; it needs no signature"),
        response: answers(PlanAnswer),
      },
    },
    (request) => apps.dryRun(bytesOf(request), callerOf(request)),
  )
  api.post(
    '/v1/push',
    {
      bodyLimit: maxPushBytes,
      validatorCompiler: unchecked,
      schema: {
        tags,
        summary: 'Accept a signed release and run it',
        querystring: PushQuery,
        body: cborBody('A map: 1 the signed release, 2 the list of its components'),
        response: answers(PushAnswer),
      },
    },
    (request) => apps.push(pushBody.decode(bytesOf(request)), callerOf(request), optionsOf(request.query)),
  )
  api.post(
    '/v1/apps/:app/rollback',
    {
      schema: {
        tags,
        summary: 'Run an earlier release: the one before the present one, or that of a number',
        params: AppParams,
        body: Type.Object({ number: Type.Optional(Type.Integer({ minimum: 1 })) }),
        response: answers(PushAnswer),
      },
    },
    (request) => apps.rollback(request.params.app, request.body.number, callerOf(request)),
  )
}
