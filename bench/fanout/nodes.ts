// A process full of light nodes: told what to be and which message comes, it says when all of them have it.
import { createSecureContext } from 'node:tls'
import { type Begin, type Expect, type FromNodes, monotonicMs } from './messages.ts'
import { LightNode } from './node.ts'

const atOnce = 20

const tell = (message: FromNodes) => process.send!(message)
const nodes: LightNode[] = []
/** By node: the number that it received last. */
let received: number[] = []
let expected: Expect & { left: number; cutWithoutIt: number } = { number: -1, cut: 0, left: 0, cutWithoutIt: 0 }

function onMessage(index: number, number: number): void {
  if (number !== expected.number || received[index] === number) return
  received[index] = number
  if (expected.left === nodes.length) cutSome()
  if (--expected.left === 0) tell({ number, lastMs: monotonicMs(), cutWithoutIt: expected.cutWithoutIt })
}

function cutSome(): void {
  for (let index = nodes.length - expected.cut; index < nodes.length; index++) {
    if (received[index] !== expected.number) expected.cutWithoutIt++
    nodes[index]!.cut()
    setTimeout(() => nodes[index]!.open(), 300)
  }
}

async function begin({ nodes: all, port, address, ca, mqtt }: Begin): Promise<void> {
  received = all.map(() => -1)
  let ready = 0
  let wake: () => void = () => undefined
  for (const [index, { id, tls }] of all.entries()) {
    const secureContext =
      tls && createSecureContext({ ca: ca!, cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.3' })
    const onReady = () => {
      ready++
      wake()
    }
    const node = new LightNode({
      id,
      port,
      localAddress: address,
      secureContext,
      mqtt,
      onReady,
      onMessage: (number) => onMessage(index, number),
    })
    nodes.push(node)
    node.open()
    while (index + 1 - ready >= atOnce) await new Promise<void>((resolve) => (wake = resolve))
  }
  while (ready < all.length) await new Promise<void>((resolve) => (wake = resolve))
  tell({ ready })
}

process.on('message', (message: Begin | Expect) => {
  if ('nodes' in message) void begin(message)
  else {
    expected = { ...message, left: nodes.length, cutWithoutIt: 0 }
    tell({ ready: nodes.length })
  }
})
process.on('disconnect', () => process.exit())
