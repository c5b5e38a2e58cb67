// A process full of light nodes.

import { createPrivateKey } from 'node:crypto'
import { systemClock } from '@hypha/core/platform/clock.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { seedSigner } from '@hypha/core/trust/cose.ts'
import { createLink } from '../../agent/link/mqtt-link.ts'
import { LightNode } from './light-node.ts'
import { type Activation, type Begin, machineMs, type Told, tellEveryMs } from './messages.ts'
import { skewedClock } from './skewed-clock.ts'
import { slowLink } from './slow-link.ts'

let online = 0
let activations: Activation[] = []
const problems = new Set<string>()
let told = ''

/** Later than the flips themselves: what is measured must not wait for what tells of it. */
function tell(): void {
  const message: Told = { online, problems: [...problems], activations }
  const text = JSON.stringify(message)
  if (text === told) return
  told = text
  activations = []
  process.send!(message)
}

async function startNode(begin: Begin, { id, certificate, key, shape }: Begin['nodes'][number]): Promise<void> {
  const { fleet, host, port, ca } = begin
  // Above those of a process before this one.
  let connections = Math.floor(Date.now() / 1_000)
  const plain = createLink({
    fleet,
    node: id,
    host,
    port,
    ca,
    certificate,
    key,
    nextConnection: () => ++connections,
    run: nodeCrypto.random(8),
    clock: systemClock,
    random: Math.random,
    onError: (error) => problems.add(error.message),
  })
  plain.onState((now) => {
    online += now === 'online' ? 1 : -1
  })
  const link = slowLink(plain, shape, { clock: systemClock, random: Math.random })
  const seed = createPrivateKey(key).export({ format: 'der', type: 'pkcs8' }).subarray(-32)
  const node = new LightNode({
    fleet,
    node: id,
    link,
    clock: skewedClock(systemClock, shape),
    root: new Uint8Array(Buffer.from(begin.root, 'base64')),
    signer: seedSigner(new Uint8Array(seed), nodeCrypto),
    trueMs: machineMs,
    onActive: (activation) => activations.push({ node: id, ...activation }),
    onProblem: (error) => problems.add(`${error.code}: ${error.message}`.slice(0, 300)),
  })
  await node.start()
}

process.on('message', async (begin: Begin) => {
  setInterval(tell, tellEveryMs)
  // A few at a time: a handshake that waits for its turn for too long begins again.
  for (let at = 0; at < begin.nodes.length; at++) {
    await startNode(begin, begin.nodes[at]!)
    if (at % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 50))
  }
})
process.on('disconnect', () => process.exit())
