import Type from 'typebox'
import type { Plan } from '../../../plan.ts'
import { Digest, Home, Id } from './common.ts'

// The schema of `Plan` in gateway/plan.ts, which says what each field means. A test holds real plans against it.

const ScopeWord = Type.Enum(['device', 'site', 'fleet'])
const ReasonAnswer = Type.Object({ code: Type.String(), text: Type.String() })

const Provider = Type.Union([
  Type.Object({ kind: Type.Literal('host') }),
  Type.Object({ kind: Type.Literal('instance'), node: Id, module: Id, home: Home }),
  Type.Object({ kind: Type.Literal('device'), module: Id }),
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
        links: Type.Array(
          Type.Object({ interface: Type.String(), provider: Provider, cost: Type.Optional(Type.Number()) }),
        ),
      }),
    ),
    kinds: Type.Array(Type.Array(Id)),
    refusals: Type.Array(
      Type.Object({
        module: Id,
        scope: ScopeWord,
        refused: Type.Array(
          Type.Object({
            kinds: Type.Array(Type.Integer()),
            nodes: Type.Array(Id),
            reasons: Type.Array(ReasonAnswer),
          }),
        ),
      }),
    ),
    traffic: Type.Array(
      Type.Object({
        caller: Id,
        callee: Id,
        interface: Type.String(),
        callsPerS: Type.Number(),
        bytesPerCall: Type.Number(),
        source: Type.Enum(['measured', 'hint', 'assumed']),
      }),
    ),
    unplaced: Type.Array(Type.Object({ module: Id, home: Home, reasons: Type.Array(ReasonAnswer) })),
    complete: Type.Boolean(),
    notes: Type.Optional(Type.Array(Type.String())),
  }),
)
