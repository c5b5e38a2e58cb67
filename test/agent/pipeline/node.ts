import { toHex } from '@hypha/core/bytes/text.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Files } from '@hypha/core/ports/files.ts'
import type { Commit } from '@hypha/core/trust/commit.ts'
import type { Content, Section } from '@hypha/core/trust/directive.ts'
import type { ReleaseModule } from '@hypha/core/trust/release.ts'
import { directiveMessage } from '@hypha/core/wire/messages/directive.ts'
import type { SelfUpdate } from '../../../agent/agent-trial.ts'
import type { AppPorts } from '../../../agent/app-ports.ts'
import { Checkpoints } from '../../../agent/handover/checkpoints.ts'
import { Installs } from '../../../agent/install/installs.ts'
import { defaultTrialLimits } from '../../../agent/install/machine.ts'
import { Pipeline } from '../../../agent/pipeline.ts'
import type { Flip } from '../../../agent/receipts.ts'
import { openReceiver } from '../../../agent/receive/receiver.ts'
import { openJournal } from '../../../agent/report/journal.ts'
import type { Sandbox, SandboxPorts } from '../../../agent/sandbox/sandbox.ts'
import { applyPatchWithin } from '../../../agent/sandbox/worker/apply-patch.ts'
import { TrustFile } from '../../../agent/trust-file.ts'
import type { NodeEvent } from '../../../agent/turns.ts'
import { runnable } from '../../../agent/verify/runnable.ts'
import { Verifier } from '../../../agent/verify/verifier.ts'
import type { FakeClock } from '../../support/fake-clock.ts'
import type { LossyFiles } from '../../support/lossy-files.ts'
import { seeded } from '../../support/random.ts'
import {
  crypto,
  joined,
  keys,
  makeCommit,
  makeDirective,
  makeModule,
  makeRelease,
  makeSection,
  signCommit,
  signDirective,
  signRelease,
} from '../../support/signed.ts'
import { FakeSandbox } from './fake-sandbox.ts'

const chunkBytes = 32_768

/** Bytes that don't compress: several chunks. */
export const coreOf = (seed: number) => {
  const random = seeded(seed)
  return Uint8Array.from({ length: 70_000 }, () => random() * 256)
}

/** What the gateway has published: contents by the digest of their transfer, and the directive that is retained. */
export class Network {
  online = true
  directive: Uint8Array | null = null
  /** The commit that is retained. */
  commit: Uint8Array | null = null
  /** How far the gateway's clock is ahead of the node's. */
  aheadMs = 0
  readonly transfers = new Map<string, Uint8Array>()

  /** A release of `greenhouse` whose one module has these bytes, and the directive that asks for it. */
  offer(
    number: number,
    core: Uint8Array,
    changes: Partial<Section> = {},
    { signers = [keys.release], version = number } = {},
  ): string {
    const artifact = { digest: crypto.sha256(core), size: core.length }
    const release = makeRelease({ number, label: `${number}.0.0`, modules: [makeModule({ core: artifact })] })
    const envelope = signRelease(release, signers)
    const contents = [envelope, core].map((bytes) => this.#publish(bytes))
    const section = makeSection(release, envelope, { epoch: number, contents, ...changes })
    this.directive = signDirective(makeDirective({ version, sections: [section] }))
    return toHex(section.release)
  }

  /** A release of the agent itself, and the directive that asks for it. */
  offerAgent(number: number, archive: Uint8Array, { signers = [keys.release], version = number } = {}): string {
    const artifact = { digest: crypto.sha256(archive), size: archive.length }
    const files = [{ name: 'agent', arch: null, artifact }]
    const release = makeRelease({ app: 'hypha-agent', number, modules: [], files })
    const envelope = signRelease(release, signers)
    const contents = [envelope, archive].map((bytes) => this.#publish(bytes))
    const section = makeSection(release, envelope, { epoch: number, contents })
    this.directive = signDirective(makeDirective({ version, sections: [section] }))
    return toHex(section.release)
  }

  /** A section that asks for a release of `greenhouse` whose one module has these bytes. */
  section(
    number: number,
    core: Uint8Array,
    changes: Partial<Section> = {},
    module: Partial<ReleaseModule> = {},
  ): Section {
    const artifact = { digest: crypto.sha256(core), size: core.length }
    const modules = [makeModule({ core: artifact, ...module })]
    const release = makeRelease({ number, label: `${number}.0.0`, modules })
    const envelope = signRelease(release)
    const contents = [envelope, core].map((bytes) => this.#publish(bytes))
    return makeSection(release, envelope, { epoch: number, contents, ...changes })
  }

  /** The commit of a section to prepare, `inMs` from the gateway's now. */
  commitOf(section: Section, nowMs: number, inMs: number, changes: Partial<Commit> = {}): Uint8Array {
    const times = { instantMs: nowMs + this.aheadMs + inMs, issuedMs: nowMs + this.aheadMs }
    return signCommit(makeCommit(section, { ...times, ...changes }))
  }

  direct(version: number, ...sections: readonly Section[]): void {
    this.directive = signDirective(makeDirective({ version, sections: [...sections] }))
  }

  /** The directive names no app any more. */
  withdraw(version: number): void {
    this.directive = signDirective(makeDirective({ version, sections: [] }))
  }

  #publish(bytes: Uint8Array): Content {
    const transferred = brotli.compress(bytes)
    const digest = crypto.sha256(transferred)
    this.transfers.set(toHex(digest), transferred)
    const transfer = { encoding: 'brotli' as const, base: null, via: null, digest, size: transferred.length }
    return { digest: crypto.sha256(bytes), size: bytes.length, transfer }
  }
}

/** The gateway's clock as a node knows it that reaches it without delay; unknown while there is no network. */
function gatewayClockOf(clock: Clock, network: Network): AppPorts['gatewayClock'] {
  const now = () => clock.now() + network.aheadMs
  return {
    estimate: () => (network.online ? { offsetMs: now() - clock.monotonic(), errorMs: 0.5, rttMs: 1 } : null),
    measure: async () => undefined,
    after(instantMs, run) {
      let cancel: () => void = () => undefined
      const look = (): void => {
        const leftMs = network.online ? instantMs - now() : 100
        cancel = clock.after(Math.max(0, leftMs), () => (network.online && now() >= instantMs ? run() : look()))
      }
      look()
      return () => cancel()
    },
  }
}

/** The agent's stages on these files as its composition root joins them, with a sandbox that only pretends to run what it is given. */
export async function startNode(
  files: Files,
  network: Network,
  clock: Clock,
  bootId: string,
  update: SelfUpdate | null = null,
  makeSandbox: ((ports: Pick<SandboxPorts, 'commit' | 'event'>) => Sandbox) | null = null,
) {
  const told: string[] = []
  const proofs: Uint8Array[] = []
  const flips: Flip[] = []
  let followed: readonly string[] = []
  const subscribers = new Map<string, (index: number, bytes: Uint8Array) => void>()
  const trust = new TrustFile(files)
  const verifier = new Verifier({ snapshot: trust.read() ?? joined(), crypto, nowMs: () => clock.now() })
  const journal = await openJournal({ files, clock, random: crypto.random, bootId })
  const receiver = await openReceiver({
    files,
    crypto,
    brotli,
    clock,
    applyPatch: async (base, patch, most) => applyPatchWithin(base, patch, most),
    source: {
      subscribe: (digest, onChunk) => {
        subscribers.set(digest, onChunk)
        return () => subscribers.delete(digest)
      },
      request: ({ digest, ranges }) => {
        const name = toHex(digest)
        const transfer = network.transfers.get(name)
        if (!network.online || transfer === undefined) return
        for (const { first, count } of ranges) {
          for (let index = first; index < first + count; index++) {
            const chunk = transfer.subarray(index * chunkBytes, (index + 1) * chunkBytes)
            setImmediate(() => subscribers.get(name)?.(index, chunk))
          }
        }
      },
    },
  })
  const { contents } = receiver
  const event = ({ code, text }: NodeEvent) => void told.push(`${code}: ${text}`)
  const checkpoints = new Checkpoints({
    journal,
    files,
    clock,
    sha256: crypto.sha256,
    link: { state: 'offline', publish: async () => undefined },
    topic: 'up/checkpoint',
    everyMs: 0,
    mayMove: () => false,
    timer: () => null,
    gatewayMs: () => null,
    event,
    onProblem: ({ message }) => told.push(message),
  })
  const sandbox = new FakeSandbox((turn) => pipeline.commit(turn))
  const pipeline: Pipeline = new Pipeline({
    verifier,
    contents: (digest) => contents.read(digest),
    installs: new Installs(files, defaultTrialLimits, (app, error) => told.push(`${app}: ${error.code}`)),
    sandbox: makeSandbox?.({ commit: (turn) => pipeline.commit(turn), event }) ?? sandbox,
    journal,
    clock,
    crypto,
    trialMs: 5_000,
    flipBudgetMs: 2_000,
    gatewayClock: gatewayClockOf(clock, network),
    flipped: async (flip) => void flips.push(flip),
    follow: (apps) => {
      followed = apps
    },
    incarnation: journal.incarnation,
    update,
    receive: async (content, _app, signal) => void (await receiver.fetch(content, { signal })),
    keepTrust: () => trust.keep(() => verifier.snapshot),
    runnable: (verified) =>
      runnable(
        verified,
        (digest) => contents.read(digest),
        () => null,
        crypto,
      ),
    ran: () => undefined,
    event,
    openData: async () => undefined,
    forgetData: async () => undefined,
    letGo: (instances, stoppedAgoMs) => checkpoints.letGo(instances, stoppedAgoMs),
    changed: () => undefined,
    settled: () => {
      pipeline.sweep()
      const needed = pipeline.needed()
      receiver
        .retain(
          needed.map(({ digest }) => digest),
          needed.map(({ transfer }) => transfer.digest),
        )
        .catch((thrown) => told.push(String(thrown)))
    },
    append: (parts) => journal.appendAll(parts),
    room: () => pipeline.redeliver(),
    pendingMessages: () => journal.pendingMessages(),
    offer: () => undefined,
    prove: (held) => void proofs.push(held),
    leave: () => Promise.reject(new Error('nobody removes this node')),
  })
  /** What was begun has had its turn. */
  const inTurns = async () => {
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  }
  return {
    inTurns,
    told,
    proofs,
    flips,
    sandbox,
    pipeline,
    journal,
    boot: () => pipeline.boot(),
    /** As the composition root does with what `b/root` carries; resolves when what is trusted then is written down. */
    followRoot: async (chain: readonly Uint8Array[]) => {
      verifier.followRoot(chain)
      await trust.keep(() => verifier.snapshot)
      pipeline.rootChanged()
    },
    /** The link is there: what is retained comes, and what is missing is asked for. */
    connect: () => {
      if (network.directive !== null) {
        void pipeline.directive(directiveMessage.encode({ envelope: network.directive, attachments: [] }))
      }
      for (const app of followed) {
        if (network.commit !== null) pipeline.committed(app, network.commit)
      }
      receiver.retry()
    },
    /** A commit comes, as the subscription to it brings it. */
    committed: (envelope: Uint8Array) => {
      for (const app of followed) pipeline.committed(app, envelope)
    },
    /** The release that runs, or null; and what the gateway is told of it. */
    running: () => sandbox.running,
    /** Version of the directive that is held; 0 before the first. */
    held: () => verifier.held?.directive.version ?? 0,
    status: () => pipeline.sections()[0]?.status ?? null,
    section: () => pipeline.sections()[0] ?? null,
    prepare: () => pipeline.sections()[0]?.prepare ?? null,
  }
}

export type TestNode = Awaited<ReturnType<typeof startNode>>

/** Lets time pass until `holds` or the power goes. */
export async function until(files: LossyFiles, clock: FakeClock, node: TestNode, what: string, holds: () => boolean) {
  for (let step = 0; step < 200; step++) {
    for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate)
    if (files.cut || holds()) return
    clock.advance(100)
  }
  throw new Error(`${what}: not so; ${node.status()}, ${node.told.join('; ')}`)
}
