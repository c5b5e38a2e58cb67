import Type from 'typebox'
import { type Api, answers, callerOf } from '../route.ts'
import { Status } from '../schemas/access.ts'
import { Done, done, Id } from '../schemas/common.ts'
import {
  InviteMade,
  InviteRequest,
  InviteView,
  NodeChange,
  NodeDetail,
  NodeRevocation,
  NodeRevoked,
  NodeSummary,
} from '../schemas/nodes.ts'
import type { Services } from '../services.ts'

export function statusRoutes(api: Api, services: Services): void {
  api.get(
    '/v1/status',
    {
      schema: { tags: ['fleet'], summary: 'The fleet at a glance', response: answers(Status) },
    },
    () => services.status(),
  )
}

const NodeParams = Type.Object({ node: Id })
const tags = ['nodes']

export function nodeRoutes(api: Api, { nodes }: Services): void {
  api.get('/v1/nodes', { schema: { tags, summary: 'All nodes', response: answers(Type.Array(NodeSummary)) } }, () =>
    nodes.list(),
  )
  api.get(
    '/v1/nodes/:node',
    {
      schema: {
        tags,
        summary: 'One node: what it is and what runs on it',
        params: NodeParams,
        response: answers(NodeDetail),
      },
    },
    ({ params }) => nodes.show(params.node),
  )
  api.patch(
    '/v1/nodes/:node',
    {
      schema: {
        tags,
        summary: 'Set labels and zone',
        params: NodeParams,
        body: NodeChange,
        response: answers(NodeDetail),
      },
    },
    (request) => nodes.change(request.params.node, request.body, callerOf(request)),
  )
  api.post(
    '/v1/nodes/:node/revoke',
    {
      schema: {
        tags,
        summary: 'Revoke a lost or stolen node: nothing that has its keys is let in from now on',
        params: NodeParams,
        body: NodeRevocation,
        response: answers(NodeRevoked),
      },
    },
    (request) => nodes.revoke(request.params.node, request.body, callerOf(request)),
  )
  api.post(
    '/v1/nodes/:node/boards/:board/accept',
    {
      schema: {
        tags,
        summary: 'Accept a board that waits at a serial port of the node: it is a node of the fleet from now on',
        params: Type.Object({ node: Id, board: Id }),
        response: answers(NodeDetail),
      },
    },
    (request) => nodes.accept(request.params.node, request.params.board, callerOf(request)),
  )
  api.delete(
    '/v1/nodes/:node',
    {
      schema: {
        tags,
        summary: 'Remove a node: it is told to delete what it holds',
        params: NodeParams,
        querystring: Type.Object({
          force: Type.Optional(Type.Boolean({ description: 'Forget it at once, for one that never comes back' })),
        }),
        response: answers(Done),
      },
    },
    async (request) => {
      await nodes.remove(request.params.node, { force: request.query.force ?? false }, callerOf(request))
      return done
    },
  )
}

export function inviteRoutes(api: Api, { invites }: Services): void {
  const about = ['invites']
  api.get(
    '/v1/invites',
    {
      schema: { tags: about, summary: 'All invitations', response: answers(Type.Array(InviteView)) },
    },
    () => invites.list(),
  )
  api.post(
    '/v1/invites',
    {
      schema: {
        tags: about,
        summary: 'Invite a node: a URL that works once',
        body: InviteRequest,
        response: answers(InviteMade),
      },
    },
    (request) => invites.create(request.body, callerOf(request)),
  )
  api.delete(
    '/v1/invites/:id',
    {
      schema: {
        tags: about,
        summary: 'Withdraw an invitation',
        params: Type.Object({ id: Type.String({ pattern: '^[0-9a-f]{12}$' }) }),
        response: answers(Done),
      },
    },
    async (request) => {
      await invites.revoke(request.params.id, callerOf(request))
      return done
    },
  )
}
