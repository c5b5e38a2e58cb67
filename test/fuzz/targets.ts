import type { Target } from './target.ts'
import { abiTarget } from './targets/abi.ts'
import { boardTargets } from './targets/board.ts'
import { cborTarget } from './targets/cbor.ts'
import { clientHelloTarget } from './targets/client-hello.ts'
import { coseTargets } from './targets/cose.ts'
import { patchBaseTarget, patchMakeTarget, patchTarget } from './targets/delta.ts'
import { httpTarget } from './targets/http.ts'
import { ingestTarget } from './targets/ingest.ts'
import { checkpointTarget, journalTarget, recordTarget } from './targets/journal.ts'
import { messageTargets } from './targets/messages.ts'
import { mqttTarget } from './targets/mqtt.ts'
import { rootDraftTarget } from './targets/root-draft.ts'
import { serialTarget } from './targets/serial.ts'
import { tarTarget } from './targets/tar.ts'
import { keyFileTarget, manifestTarget, nodeFileTarget, witTarget } from './targets/texts.ts'
import { joinUrlTarget, topicsTarget } from './targets/topics.ts'
import { transferTarget } from './targets/transfer.ts'
import { uplinkTargets } from './targets/uplink.ts'
import { valuesTarget } from './targets/values.ts'
import { componentTarget, coreTarget } from './targets/wasm.ts'

/** Everything that reads outside bytes. */
export const targets: readonly Target[] = [
  cborTarget,
  ...coseTargets,
  ...messageTargets,
  ...uplinkTargets,
  rootDraftTarget,
  topicsTarget,
  joinUrlTarget,
  coreTarget,
  componentTarget,
  abiTarget,
  valuesTarget,
  patchTarget,
  patchBaseTarget,
  patchMakeTarget,
  manifestTarget,
  nodeFileTarget,
  witTarget,
  keyFileTarget,
  transferTarget,
  tarTarget,
  journalTarget,
  recordTarget,
  checkpointTarget,
  serialTarget,
  ...boardTargets,
  ingestTarget,
  httpTarget,
  clientHelloTarget,
  mqttTarget,
]
