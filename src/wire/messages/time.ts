import { float, message, record, type TypeOf, uint } from '../codec.ts'

/** On `n/<node>/up/time`, QoS 0: what time is it? The answer bears the same number. [P 10.5] */
export const timeAsk = message('time ask', record({ number: [1, uint(0xffff_ffff)] }), 32)

/** On `n/<node>/down/time`, QoS 0: the gateway's clock when the question was read, in milliseconds since 1970 with fractions; it never jumps while the gateway runs. */
export const timeAnswer = message('time answer', record({ number: [1, uint(0xffff_ffff)], nowMs: [2, float] }), 64)

export type TimeAsk = TypeOf<typeof timeAsk>
export type TimeAnswer = TypeOf<typeof timeAnswer>
