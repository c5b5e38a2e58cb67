import type { Publish } from '../../../gateway/distribute/directive-packet.ts'
import { fromHex } from '../../../src/bytes/text.ts'
import type { Content, Directive, Section, Transfer } from '../../../src/trust/directive.ts'
import { fleetTopics } from '../../../src/wire/topics.ts'
import { t0 } from '../store/support.ts'

export const topics = fleetTopics('greens')

export const digest = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

export const contentOf = (content: string, size: number, transfer: Transfer): Content => ({
  digest: fromHex(content),
  size,
  transfer,
})

export const sectionOf = (over: Partial<Section> = {}): Section => ({
  app: 'greenhouse',
  epoch: 2,
  release: digest(1),
  envelope: digest(2),
  phase: 'run',
  wave: null,
  chosenMs: null,
  served: null,
  leased: null,
  devices: null,
  states: null,
  instances: [],
  contents: [],
  ...over,
})

export const directiveOf = (node: string, sections: readonly Section[], version = 5): Directive => ({
  fleet: 'greens',
  node,
  version,
  issuedMs: t0,
  expiresMs: t0 + 1_000_000,
  sections,
  leave: false,
})

/** A broker that remembers, and hands on one message at a time when it is told to. */
export function slowBroker() {
  const published: { topic: string; bytes: Uint8Array; retain: boolean }[] = []
  let waiting: (() => void)[] = []
  const publish: Publish = (topic, bytes, options) => {
    published.push({ topic, bytes: Uint8Array.from(bytes), retain: options?.retain ?? false })
    return new Promise((resolve) => waiting.push(resolve))
  }
  return {
    published,
    publish,
    /** Lets what was published so far arrive, and whatever follows from it begin. */
    async handOn(): Promise<void> {
      const now = waiting
      waiting = []
      for (const resolve of now) resolve()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

/** A broker that takes everything at once. */
export function fastBroker() {
  const published: { topic: string; bytes: Uint8Array; retain: boolean }[] = []
  const publish: Publish = async (topic, bytes, options) => {
    published.push({ topic, bytes: Uint8Array.from(bytes), retain: options?.retain ?? false })
  }
  return { published, publish }
}
