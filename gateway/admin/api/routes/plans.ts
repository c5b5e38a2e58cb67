import Type from 'typebox'
import { type Api, AppParams, answers, callerOf } from '../route.ts'
import { ComeHome, EscalationView, RolloutView, WhyAnswer } from '../schemas/apps.ts'
import { Id } from '../schemas/common.ts'
import { PlanAnswer, WhatIfAnswerSchema, WhatIfRequest } from '../schemas/plan.ts'
import type { Services } from '../services.ts'

const tags = ['apps']

export function planRoutes(api: Api, { apps }: Services): void {
  api.get(
    '/v1/apps/:app/plan',
    {
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
      schema: { tags, summary: 'How far each node is', params: AppParams, response: answers(RolloutView) },
    },
    ({ params }) => apps.rollout(params.app),
  )
  api.get(
    '/v1/apps/:app/why/:module',
    {
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
  api.get(
    '/v1/apps/:app/why/:module/not/:node',
    {
      schema: {
        tags,
        summary: "Why a module isn't on a node",
        params: Type.Object({ app: Id, module: Id, node: Id }),
        querystring: Type.Object({ home: Type.Optional(Id) }),
        response: answers(WhyAnswer),
      },
    },
    ({ params, query }) => apps.whyNot(params.app, params.module, params.node, query.home),
  )
  api.post(
    '/v1/apps/:app/what-if',
    {
      schema: {
        tags,
        summary: "Where an app would run on a fleet as it isn't; changes nothing",
        params: AppParams,
        body: WhatIfRequest,
        response: answers(WhatIfAnswerSchema),
      },
    },
    ({ params, body }) => apps.whatIf(params.app, body),
  )
  api.post(
    '/v1/apps/:app/come-home',
    {
      schema: {
        tags,
        summary: 'Let a module that has climbed be on its nodes again at once',
        params: AppParams,
        body: ComeHome,
        response: answers(Type.Array(EscalationView)),
      },
    },
    (request) => apps.comeHome(request.params.app, request.body, callerOf(request)),
  )
}
