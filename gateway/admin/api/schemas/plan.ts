import Type, { type Static } from 'typebox'
import type { PlanChange } from '../../../place/what-if.ts'
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
        leased: Type.Optional(Type.Literal(true)),
        cost: Type.Number(),
        memoryBytes: Type.Integer(),
        why: Type.Array(Type.String()),
        despite: Type.Optional(Type.String()),
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
            kinds: Type.Array(Type.Array(Type.Integer())),
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

const Named = Type.String({ minLength: 1, maxLength: 128 })

/** A fleet as it isn't: what `FleetChange` in gateway/place/what-if.ts says. */
export const WhatIfRequest = Type.Object(
  {
    without: Type.Optional(Type.Array(Id, { maxItems: 10_000 })),
    interfaces: Type.Optional(Type.Array(Type.Object({ node: Id, interface: Named }), { maxItems: 1_000 })),
    memory: Type.Optional(
      Type.Array(Type.Object({ node: Id, bytes: Type.Integer({ minimum: 0 }) }), { maxItems: 1_000 }),
    ),
    measured: Type.Optional(
      Type.Boolean({ description: 'Links carry what nodes have counted; costs are then those of links alone' }),
    ),
  },
  { additionalProperties: false },
)
export type WhatIfRequest = Static<typeof WhatIfRequest>

export const WhatIfAnswerSchema = Type.Unsafe<WhatIfAnswer>(
  Type.Object({
    plan: PlanAnswer,
    changes: Type.Array(
      Type.Object({
        module: Id,
        home: Home,
        from: Type.Array(Id),
        to: Type.Array(Id),
        why: Type.Array(Type.String()),
      }),
    ),
    costBefore: Type.Number(),
    costAfter: Type.Number(),
  }),
)
export interface WhatIfAnswer {
  readonly plan: Plan
  /** What would be elsewhere. */
  readonly changes: readonly PlanChange[]
  readonly costBefore: number
  readonly costAfter: number
}
