import { record, uint } from '../codec.ts'

/** No more pieces of this transfer will come in this opening. What the board holds of it, it keeps. [S 8.9] */
export const abandon = record({ transfer: [1, uint(0xffff_ffff, 1)] })
