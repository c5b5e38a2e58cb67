import Type from 'typebox'
import { type Api, answers, type Follower, lines } from '../route.ts'
import {
  AuditChainQuery,
  AuditEntry,
  AuditLink,
  AuditQuery,
  EventLine,
  EventQuery,
  HistoryAnswer,
  HistoryQuery,
  LogLine,
  LogQuery,
  Value,
  ValueFilter,
} from '../schemas/data.ts'
import type { Services } from '../services.ts'

export function valueRoutes(api: Api, { values }: Services, follower: Follower): void {
  const tags = ['values']
  api.get(
    '/v1/values',
    {
      schema: {
        tags,
        summary: 'The last value of each metric',
        querystring: ValueFilter,
        response: answers(Type.Array(Value)),
      },
    },
    ({ query }) => values.last(query),
  )
  api.get(
    '/v1/values/history',
    {
      schema: {
        tags,
        summary: 'Samples, minutes or hours of a metric',
        querystring: HistoryQuery,
        response: answers(HistoryAnswer),
      },
    },
    ({ query }) => values.history(query),
  )
  api.get(
    '/v1/values/follow',
    { schema: { tags, summary: 'Values as they arrive', querystring: ValueFilter, response: lines(Value) } },
    ({ query }, reply) => follower.send(reply, (signal) => values.follow(query, signal)),
  )
}

export function recordRoutes(api: Api, services: Services, follower: Follower): void {
  const { logs, events } = services
  api.get(
    '/v1/logs',
    {
      schema: {
        tags: ['logs'],
        summary: 'Lines that modules wrote',
        querystring: LogQuery,
        response: answers(Type.Array(LogLine)),
      },
    },
    ({ query }) => logs.query(query),
  )
  api.get(
    '/v1/logs/follow',
    {
      schema: { tags: ['logs'], summary: 'Lines as they are written', querystring: LogQuery, response: lines(LogLine) },
    },
    ({ query }, reply) => follower.send(reply, (signal) => logs.follow(query, signal)),
  )
  api.get(
    '/v1/events',
    {
      schema: {
        tags: ['events'],
        summary: 'What happened',
        querystring: EventQuery,
        response: answers(Type.Array(EventLine)),
      },
    },
    ({ query }) => events.query(query),
  )
  api.get(
    '/v1/events/follow',
    {
      schema: {
        tags: ['events'],
        summary: 'Events as they happen',
        querystring: EventQuery,
        response: lines(EventLine),
      },
    },
    ({ query }, reply) => follower.send(reply, (signal) => events.follow(query, signal)),
  )
  api.get(
    '/v1/audit',
    {
      schema: {
        tags: ['audit'],
        summary: 'Who did what, the newest first',
        querystring: AuditQuery,
        response: answers(Type.Array(AuditEntry)),
      },
    },
    ({ query }) => services.audit(query),
  )
  api.get(
    '/v1/audit/chain',
    {
      schema: {
        tags: ['audit'],
        summary: 'Entries as they are chained, the oldest first: for who checks them',
        querystring: AuditChainQuery,
        response: answers(Type.Array(AuditLink)),
      },
    },
    ({ query }) => services.auditChain(query),
  )
}
