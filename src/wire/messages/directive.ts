import { bytes, list, message, record, type TypeOf } from '../codec.ts'

/**
 * Retained on `n/<node>/down/directive`: the signed directive, and beside it contents that are small enough to travel inline. They need no
 * signature of their own: the directive lists their digests.
 */
export const directiveMessage = message(
  'directive message',
  record({
    /** COSE_Sign1 over a `Directive`. */
    envelope: [1, bytes({ max: 60_000 })],
    attachments: [2, list(bytes({ max: 16_384 }), 64)],
  }),
)

export type DirectiveMessage = TypeOf<typeof directiveMessage>
