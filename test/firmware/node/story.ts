import type { Directive, Section } from '@hypha/core/trust/directive.ts'
import type { Limits, ModuleSpec } from '@hypha/core/trust/release.ts'
import type { ToBoard } from '@hypha/core/wire/board/messages.ts'
import {
  artifact,
  crypto,
  identity,
  makeDirective,
  makeModule,
  makeRelease,
  makeSection,
  signDirective,
  signRelease,
} from '../../support/signed.ts'
import type { Board } from './board.ts'

// What a gateway would sign for the board `mcu-1`, and what its bridge would send.

const limits: Limits = { memoryBytes: 65_536, turnMs: 100, telemetryPerS: 100, messagesPerS: 10, kvBytes: 1_024 }

/** A release of one module, and the directive that asks a board for it. */
export interface Push {
  readonly core: Uint8Array
  readonly envelope: Uint8Array
  readonly section: Section
  readonly directive: Uint8Array
}

export interface PushOptions {
  readonly number?: number
  readonly floor?: number
  readonly epoch?: number
  readonly node?: string
  readonly version?: number
  readonly spec?: Partial<ModuleSpec>
  readonly section?: Partial<Section>
  readonly directive?: Partial<Directive>
}

export function makePush(core: Uint8Array, options: PushOptions = {}): Push {
  const { number = 1, floor = 0, epoch = number, version = epoch, node = 'mcu-1' } = options
  const spec = { ...makeModule().spec, timerMs: 20, publish: ['#'], limits, ...options.spec }
  const value = makeRelease({ number, floor, modules: [makeModule({ core: artifact(core), spec })] })
  const envelope = signRelease(value)
  const section = makeSection(value, envelope, {
    epoch,
    contents: [identity(envelope), identity(core)],
    instances: [{ module: 'sampler', home: node, form: 'core', links: [], config: {} }],
    ...options.section,
  })
  const directive = signDirective(makeDirective({ node, version, sections: [section], ...options.directive }))
  return { core, envelope, section, directive }
}

export const activation = (push: Push, step: 'activate' | 'confirm' | 'revert'): ToBoard => ({
  kind: 'activation',
  step,
  app: push.section.app,
  epoch: push.section.epoch,
  release: push.section.release,
})

export const contentDigest = (push: Push) => crypto.sha256(push.core)

/** Sends directive, release and content; answers the first code that isn't `complete`. */
export async function deliver(
  board: Board,
  push: Push,
  patch?: { bytes: Uint8Array; base: Uint8Array | null },
): Promise<string> {
  for (const step of [
    () => board.transfer('directive', push.directive),
    () => board.transfer('release', push.envelope),
    () =>
      patch
        ? board.transfer('content', patch.bytes, { of: push.core, base: patch.base })
        : board.transfer('content', push.core),
  ]) {
    const answer = await step()
    if (answer !== 'complete') return answer
  }
  return 'complete'
}

/** Activates and confirms; answers the code where the board refuses. */
export async function activate(board: Board, push: Push, confirmed = true): Promise<string> {
  const refusals = board.heard('refused').length
  const now = (status: string) =>
    board
      .heard('state')
      .at(-1)
      ?.slots.some((slot) => slot.status === status && slot.epoch === push.section.epoch)
  const refusal = () => board.heard('refused')[refusals]
  await board.send(activation(push, 'activate'))
  const first = await board.until(() => refusal() ?? ((now('trial') || now('confirmed')) && 'ok'))
  if (first !== 'ok') return first.code
  if (!confirmed) return 'ok'
  await board.send(activation(push, 'confirm'))
  const second = await board.until(() => refusal() ?? (now('confirmed') && 'ok'))
  return second === 'ok' ? 'ok' : second.code
}
