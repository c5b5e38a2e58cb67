import { tiers } from '@hypha/core/wire/messages/state.ts'
import Type, { type TSchema } from 'typebox'

export const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

const idPattern = '^[a-z0-9][a-z0-9-]{0,39}$'
export const Id = Type.String({ pattern: idPattern, description: '1 to 40 characters from a-z, 0-9 and the hyphen' })
export const Time = Type.Integer({ minimum: 0, description: 'Milliseconds since 1970 UTC' })
export const Digest = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, lower-case hex' })
export const Home = Type.Union([Id, Type.Null()], {
  description: 'The device that it belongs to; null for what is shared',
})
export const Tier = Type.Enum([...tiers])
export const Label = Type.String({ maxLength: 64, pattern: '^[a-z0-9][a-z0-9.=_-]*$' })

/** What an error looks like, whatever its status. */
export const ErrorAnswer = Type.Object(
  {
    code: Type.String({ description: 'One of docs/errors.md' }),
    message: Type.String({ description: 'What was wrong' }),
    where: Type.Optional(Type.String({ description: 'Where' })),
    mend: Type.String({ description: 'What to do' }),
  },
  { description: 'An error' },
)

export const Done = Type.Object({ done: Type.Literal(true) })

export const done = { done: true } as const
