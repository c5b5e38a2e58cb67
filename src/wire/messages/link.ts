import { maxValuesBytes } from '../../wasm/caps.ts'
import { bool, bytes, list, message, nullable, oneOf, record, type TypeOf, text, uint, union } from '../codec.ts'
import { digest, id, interfaceName } from '../ids.ts'

/** The most cells that can wait for one another in a row. */
export const maxPath = 16

const callId = bytes({ exact: 16 })
const end = record({ module: [1, id], home: [2, nullable(id)] })

const call = record({
  /** The same whenever the same call is sent again, also when its turn is tried again. [P 11.2] */
  id: [1, callId],
  app: [2, id],
  interface: [3, interfaceName],
  /** Of the interface's type, as the caller was built against it. [P 11.8] */
  digest: [4, digest],
  func: [5, text(128)],
  caller: [6, end],
  callee: [7, end],
  /** The device that the caller's turn belongs to; null for a turn of none. */
  home: [8, nullable(id)],
  /** How long the caller still waits, from when it sent this. */
  budgetMs: [9, uint(600_000, 1)],
  /** The cells that wait for this call, the first caller's first: `<node>/<app>`, an isolated module's `<node>/<app>/<module>`. [P 11.5] */
  path: [10, list(text(122), maxPath)],
  args: [11, bytes({ max: maxValuesBytes })],
})

const reply = record({
  id: [1, callId],
  outcome: [
    2,
    union(
      ['ok', record({ result: [1, bytes({ max: maxValuesBytes })] })],
      [
        'failed',
        record({
          code: [1, text(40)],
          message: [2, text(1_000)],
          /** Whether the callee has done something of it: `unknown` where it can't say. */
          ran: [3, oneOf('no', 'yes', 'unknown')],
        }),
      ],
    ),
  ],
  /** It was answered before, and this is the answer of then. */
  again: [3, bool],
})

/** Of a call that was sent before: the cells that wait for it by now, as in `path` of a call. [P 11.5] */
const probe = record({ id: [1, callId], path: [2, list(text(122), maxPath)] })

/** On `l/<to>/<from>`, QoS 0: a call of a link, its answer, that its caller waits no longer, or who waits for it. [P 11] */
export const linkMessage = message(
  'link',
  union(['call', call], ['reply', reply], ['cancel', record({ id: [1, callId] })], ['probe', probe]),
)

export type LinkMessage = TypeOf<typeof linkMessage>
export type LinkCall = TypeOf<typeof call>
export type LinkReply = TypeOf<typeof reply>
