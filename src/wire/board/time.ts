import { record, uint } from '../codec.ts'

/** The agent's clock, in milliseconds since 1970 UTC. [S 8.6] */
export const time = record({ nowMs: [1, uint()] })
