import Type, { type Static } from 'typebox'
import type { RolloutShown } from '../../../distribute/rollout-view.ts'
import { Digest, Id, nullable, Time } from './common.ts'

/** The schema of `RolloutShown`, which says what each field means. */
export const RolloutAnswer = Type.Unsafe<RolloutShown>(
  Type.Object({
    id: Type.Integer({ description: 'Rises with each rollout of the app' }),
    app: Id,
    release: Type.Integer(),
    epoch: Type.Integer(),
    kind: Type.Enum(['push', 'rollback']),
    from: nullable(Type.Integer({ description: 'Release that runs where it does not yet' })),
    state: Type.Enum([
      'approval',
      'window',
      'preparing',
      'committed',
      'soaking',
      'paused',
      'restoring',
      'done',
      'aborted',
      'rolled-back',
      'superseded',
    ]),
    wave: nullable(Type.Integer({ description: 'From 0 on; null where it is at none' })),
    committed: Type.Integer({ description: 'The last wave whose commit was given; -1 before the first' }),
    waves: Type.Array(Type.Array(Id)),
    waitsFor: nullable(Type.String({ description: 'null once it has ended' })),
    why: nullable(Type.String({ description: 'How it ended; null while it has not' })),
    untilMs: nullable(Type.Number({ description: 'When it goes on or ends by itself at the latest' })),
    startedAt: Type.Number(),
    endedAt: nullable(Type.Number()),
    policy: Type.Unknown(),
    history: Type.Array(Type.Object({ atMs: Type.Number(), text: Type.String() })),
  }),
)

export const RolloutActBody = Type.Object({ act: Type.Enum(['approve', 'pause', 'resume', 'abort']) })

const Run = Type.Object({ epoch: Type.Integer(), release: Digest })

export const ReceiptView = Type.Object({
  app: Id,
  node: Id,
  from: nullable(Run),
  to: Run,
  wave: Type.Integer(),
  instantMs: Type.Number({ description: 'The instant that the commit named' }),
  flippedMs: Type.Number({ description: "When the node flipped, by its estimate of the gateway's clock" }),
  errorMs: nullable(Type.Number({ description: 'How far that may be wrong; null where nothing bounds it' })),
  pauseMs: nullable(Type.Number({ description: 'null where the agent ended before it had written that down' })),
  inputs: nullable(
    Type.Object(
      {
        before: Type.Integer(),
        carried: Type.Integer(),
        after: Type.Integer(),
        lost: Type.Integer(),
        doubled: Type.Integer(),
      },
      { description: 'null where the agent ended before it was known what became of them' },
    ),
  ),
  late: Type.Boolean({ description: 'It heard of the commit after the instant' }),
  attestedBy: nullable(Type.String({ description: 'Of a board: the node that signed in its place' })),
  receivedAt: Time,
  publicKey: Type.String({ description: 'The key that the node that signed had then, hex' }),
  envelope: Type.String({ description: 'What the node signed (COSE_Sign1), base64' }),
})
export type ReceiptView = Static<typeof ReceiptView>
