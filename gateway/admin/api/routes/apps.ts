import Type from 'typebox'
import { maxPushBytes, pushBody } from '../push-body.ts'
import { type Api, AppParams, answers, bytesOf, callerOf, cborBody, unchecked } from '../route.ts'
import {
  AppDetail,
  AppSummary,
  PushAnswer,
  ReleaseDetail,
  ReleaseSummary,
  RolloutView,
  WhyAnswer,
} from '../schemas/apps.ts'
import { Done, done, Id } from '../schemas/common.ts'
import { PlanAnswer } from '../schemas/plan.ts'
import type { Services } from '../services.ts'

const tags = ['apps']

const ReleaseParams = Type.Object({ app: Id, number: Type.Integer({ minimum: 1 }) })

export function appRoutes(api: Api, { apps }: Services): void {
  api.get(
    '/v1/apps',
    { config: { role: 'viewer' }, schema: { tags, summary: 'All apps', response: answers(Type.Array(AppSummary)) } },
    () => apps.list(),
  )
  api.get(
    '/v1/apps/:app',
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'One app and its instances', params: AppParams, response: answers(AppDetail) },
    },
    ({ params }) => apps.show(params.app),
  )
  api.delete(
    '/v1/apps/:app',
    {
      config: { role: 'operator' },
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
      config: { role: 'viewer' },
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
      config: { role: 'viewer' },
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
      config: { role: 'operator' },
      schema: {
        tags,
        summary: 'Remove a release that neither runs nor is the newest',
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

export function planRoutes(api: Api, { apps }: Services): void {
  api.get(
    '/v1/apps/:app/plan',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'The plan in force, with its reasons',
        params: AppParams,
        response: answers(PlanAnswer),
      },
    },
    ({ params }) => apps.plan(params.app),
  )
  api.get(
    '/v1/apps/:app/rollout',
    {
      config: { role: 'viewer' },
      schema: { tags, summary: 'How far each node is', params: AppParams, response: answers(RolloutView) },
    },
    ({ params }) => apps.rollout(params.app),
  )
  api.get(
    '/v1/apps/:app/why/:module',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'Why a module is where it is, and nowhere else',
        params: Type.Object({ app: Id, module: Id }),
        querystring: Type.Object({ home: Type.Optional(Id) }),
        response: answers(WhyAnswer),
      },
    },
    ({ params, query }) => apps.why(params.app, params.module, query.home),
  )
}

export function pushRoutes(api: Api, { apps }: Services): void {
  api.post(
    '/v1/plan',
    {
      config: { role: 'viewer' },
      validatorCompiler: unchecked,
      schema: {
        tags,
        summary: 'Where a release would run; changes nothing',
        body: cborBody("The release's payload; it needs no signature"),
        response: answers(PlanAnswer),
      },
    },
    (request) => apps.dryRun(bytesOf(request)),
  )
  api.post(
    '/v1/push',
    {
      config: { role: 'operator' },
      bodyLimit: maxPushBytes,
      validatorCompiler: unchecked,
      schema: {
        tags,
        summary: 'Accept a signed release and run it',
        body: cborBody('A map: 1 the signed release, 2 the list of its components'),
        response: answers(PushAnswer),
      },
    },
    (request) => apps.push(pushBody.decode(bytesOf(request)), callerOf(request)),
  )
  api.post(
    '/v1/apps/:app/rollback',
    {
      config: { role: 'operator' },
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
