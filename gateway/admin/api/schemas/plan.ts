import Type from 'typebox'
import type { Plan } from '../../../plan.ts'
import { Digest, Home, Id } from './common.ts'

// The schema of `Plan` in gateway/plan.ts, which says what each field means. A test holds real plans against it.

const ScopeWord = Type.Enum(['device', 'site', 'fleet'])
const ReasonAnswer = Type.Object({ code: Type.String(), text: Type.String() })

const Provider = Type.Union([
  Type.Object({ kind: Type.Literal('host') }),
  Type.Object({ kind: Type.Literal('instance'), node: Id, module: Id, home: Home }),
])

export const PlanAnswer = Type.Unsafe<Plan>(
  Type.Object({
    app: Id,
    release: Type.Integer(),
    digest: Digest,
    instances: Type.Array(
      Type.Object({
        module: Id,
        home: Home,
        node: Id,
        scope: ScopeWord,
        form: Type.Enum(['core', 'component']),
        cost: Type.Number(),
        memoryBytes: Type.Integer(),
        why: Type.Array(Type.String()),
        links: Type.Array(Type.Object({ interface: Type.String(), provider: Provider })),
      }),
    ),
    refusals: Type.Array(
      Type.Object({
        module: Id,
        scope: ScopeWord,
        nodes: Type.Array(Type.Object({ node: Id, fits: Type.Boolean(), reasons: Type.Array(ReasonAnswer) })),
      }),
    ),
    unplaced: Type.Array(Type.Object({ module: Id, home: Home, reasons: Type.Array(ReasonAnswer) })),
    complete: Type.Boolean(),
  }),
)
