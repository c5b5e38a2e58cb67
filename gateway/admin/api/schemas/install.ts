import Type, { type Static } from 'typebox'
import { runtimeArchs } from '../../../install/runtimes.ts'
import { Digest, nullable } from './common.ts'

const bytes = Type.Integer({ minimum: 0 })

export const InstallView = Type.Object({
  gateway: Type.String({ description: 'The server that devices download from' }),
  script: Type.Object({ digest: Digest, bytes }),
  agent: Type.Object({
    digest: Digest,
    bytes,
    release: nullable(
      Type.Integer({ description: 'Number of the release of hypha-agent; null for the program of the gateway itself' }),
    ),
  }),
  runtimes: Type.Array(
    Type.Object({
      arch: Type.Enum([...runtimeArchs]),
      version: Type.String(),
      file: Type.Object({ digest: Digest, bytes }),
      node: Type.Object({ digest: Digest, bytes }),
    }),
  ),
})
export type InstallView = Static<typeof InstallView>
