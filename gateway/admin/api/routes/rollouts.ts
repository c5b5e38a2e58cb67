import Type from 'typebox'
import { type Api, AppParams, answers, callerOf } from '../route.ts'
import { ReceiptView, RolloutActBody, RolloutAnswer } from '../schemas/rollouts.ts'
import type { Services } from '../services.ts'

const tags = ['rollouts']

export function rolloutRoutes(api: Api, { rollouts }: Services): void {
  api.get(
    '/v1/apps/:app/rollouts',
    {
      schema: {
        tags,
        summary: 'How its releases were brought to the fleet, the newest first',
        params: AppParams,
        response: answers(Type.Array(RolloutAnswer)),
      },
    },
    ({ params }) => rollouts.list(params.app),
  )
  api.post(
    '/v1/apps/:app/rollouts/act',
    {
      schema: {
        tags,
        summary: 'Approve, pause, resume or abort the rollout that is under way',
        params: AppParams,
        body: RolloutActBody,
        response: answers(RolloutAnswer),
      },
    },
    (request) => rollouts.act(request.params.app, request.body.act, callerOf(request)),
  )
  api.get(
    '/v1/apps/:app/receipts',
    {
      schema: {
        tags,
        summary: 'What nodes have signed of their flips to an epoch, by default the newest',
        params: AppParams,
        querystring: Type.Object({ epoch: Type.Optional(Type.Integer({ minimum: 1, maximum: 0xffff_ffff })) }),
        response: answers(Type.Array(ReceiptView)),
      },
    },
    ({ params, query }) => rollouts.receipts(params.app, query.epoch),
  )
}
