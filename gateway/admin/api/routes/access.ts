import Type from 'typebox'
import { type Api, AppParams, answers, callerOf } from '../route.ts'
import { ClientMade, ClientRequest, ClientView, TokenMade, TokenRequest, TokenView } from '../schemas/access.ts'
import { ConfigChange, ConfigEntry, ConfigWhere } from '../schemas/apps.ts'
import { Done, done, Id } from '../schemas/common.ts'
import type { Services } from '../services.ts'

const ConfigParams = Type.Object({ app: Id, key: Type.String({ minLength: 1, maxLength: 128 }) })
const NameParams = Type.Object({ name: Id })

export function configRoutes(api: Api, services: Services): void {
  const tags = ['config']
  api.get(
    '/v1/apps/:app/config',
    {
      schema: {
        tags,
        summary: 'What is set over the release; secrets are not shown',
        params: AppParams,
        response: answers(Type.Array(ConfigEntry)),
      },
    },
    ({ params }) => services.config.list(params.app),
  )
  api.put(
    '/v1/apps/:app/config/:key',
    {
      schema: {
        tags,
        summary: 'Set a value, for all modules and nodes or for some',
        params: ConfigParams,
        body: ConfigChange,
        response: answers(ConfigEntry),
      },
    },
    (request) => services.config.set(request.params.app, request.params.key, request.body, callerOf(request)),
  )
  api.delete(
    '/v1/apps/:app/config/:key',
    {
      schema: {
        tags,
        summary: 'Unset a value',
        params: ConfigParams,
        querystring: ConfigWhere,
        response: answers(Done),
      },
    },
    async (request) => {
      await services.config.unset(request.params.app, request.params.key, request.query, callerOf(request))
      return done
    },
  )
}

export function tokenRoutes(api: Api, { tokens }: Services): void {
  const tags = ['tokens']
  api.get(
    '/v1/tokens',
    { schema: { tags, summary: 'All tokens of this API', response: answers(Type.Array(TokenView)) } },
    () => tokens.list(),
  )
  api.post(
    '/v1/tokens',
    { schema: { tags, summary: 'Make a token', body: TokenRequest, response: answers(TokenMade) } },
    (request) => tokens.create(request.body, callerOf(request)),
  )
  api.delete(
    '/v1/tokens/:name',
    { schema: { tags, summary: 'Revoke a token', params: NameParams, response: answers(Done) } },
    async (request) => {
      await tokens.revoke(request.params.name, callerOf(request))
      return done
    },
  )
}

export function clientRoutes(api: Api, { clients }: Services): void {
  const tags = ['clients']
  api.get(
    '/v1/clients',
    { schema: { tags, summary: 'MQTT clients that are no nodes', response: answers(Type.Array(ClientView)) } },
    () => clients.list(),
  )
  api.post(
    '/v1/clients',
    {
      schema: {
        tags,
        summary: 'Make a certificate for an MQTT client',
        body: ClientRequest,
        response: answers(ClientMade),
      },
    },
    (request) => clients.create(request.body, callerOf(request)),
  )
  api.delete(
    '/v1/clients/:name',
    { schema: { tags, summary: 'Remove an MQTT client', params: NameParams, response: answers(Done) } },
    async (request) => {
      await clients.remove(request.params.name, callerOf(request))
      return done
    },
  )
}
