import { bool, nullable, record, uint } from '../codec.ts'
import { incarnation } from '../ids.ts'

/** Everything of this incarnation up to and including `upTo` is stored, durably: the board's ring may forget it. [S 8.12] */
export const ack = record({ incarnation: [1, incarnation], upTo: [2, uint()], anew: [3, nullable(bool)] })
