import type { Section } from '@hypha/core/trust/directive.ts'
import type { BoardState } from '@hypha/core/wire/board/state.ts'
import { describe, expect, it } from 'vitest'
import { nextTask, sectionName, type Wanted } from '../../../agent/boards/bringing.ts'
import { childOf } from '../../../agent/boards/child.ts'
import { identifyOf } from '../../firmware-bridge/boards/fake-board.ts'
import { identity, makeDirective, makeRelease, makeSection, signRelease } from '../../support/signed.ts'

type Slot = BoardState['slots'][number]

const core = new Uint8Array(100).fill(1)
const section = (number: number, changes: Partial<Section> = {}): Section => {
  const release = makeRelease({ number })
  const envelope = signRelease(release)
  return makeSection(release, envelope, {
    epoch: number,
    contents: [identity(envelope), identity(core)],
    instances: [{ module: 'sampler', home: 'mcu-1', form: 'core', links: [], config: {} }],
    ...changes,
  })
}
const [first, second] = [section(1), section(2, { phase: 'prepare', wave: 0 })]

const slot = (index: number, of: Section | null, status: Slot['status']): Slot => ({
  slot: index,
  status,
  digest: of && new Uint8Array(32).fill(of.epoch),
  size: 100,
  held: 100,
  app: of?.app ?? null,
  module: of && 'sampler',
  release: of?.epoch ?? null,
  releaseDigest: of?.release ?? null,
  epoch: of?.epoch ?? null,
})

const stateOf = (slots: Slot[], changes: Partial<BoardState> = {}): BoardState => ({
  root: 1,
  directive: 7,
  slots,
  risen: [],
  running: slots.flatMap(({ slot: index, status }) =>
    ['trial', 'confirmed'].includes(status)
      ? [{ slot: index, status: 'running' as const, restarts: 0, turns: 1, error: null }]
      : [],
  ),
  pausedMs: null,
  uptimeMs: 1,
  waiting: 0,
  dropped: 0,
  ...changes,
})
const empty = (index: number) => slot(index, null, 'empty')

const wantedOf = (sections: Section[], changes: Partial<Wanted> = {}): Wanted => ({
  roots: [],
  directive: makeDirective({ node: 'mcu-1', version: 7, sections }),
  refused: null,
  refusedSections: new Map(),
  isDue: () => false,
  isProven: () => false,
  ...changes,
})

describe('What is to be done next with a board', () => {
  it('is root metadata one version after another, then its directive, unless it refuses that', () => {
    const roots = [2, 3].map((version) => ({ version, envelope: Uint8Array.of(version) }))
    const before = stateOf([empty(0), empty(1)], { directive: 6 })
    expect(nextTask(before, wantedOf([first], { roots }))).toEqual({ kind: 'root', envelope: Uint8Array.of(2) })
    expect(nextTask({ ...before, root: 3 }, wantedOf([first], { roots }))).toEqual({ kind: 'directive' })
    expect(nextTask(before, wantedOf([first], { refused: 'wrong-node' }))).toBeNull()
    // What it believes first was burnt in: nobody on the line can say it.
    expect(nextTask({ ...before, root: 0 }, wantedOf([first], { roots }))).toEqual({ kind: 'directive' })
  })

  it('is to bring what is to run, to have it started, and to confirm it once it is proven', () => {
    expect(nextTask(stateOf([empty(0), empty(1)]), wantedOf([first]))).toMatchObject({ kind: 'bring', section: first })
    expect(nextTask(stateOf([slot(0, first, 'receiving')]), wantedOf([first]))).toMatchObject({ kind: 'bring' })
    expect(nextTask(stateOf([slot(0, first, 'stored')]), wantedOf([first]))).toMatchObject({ kind: 'activate' })
    const trial = stateOf([slot(0, first, 'trial')])
    expect(nextTask(trial, wantedOf([first]))).toBeNull()
    expect(nextTask(trial, wantedOf([first], { isProven: () => true }))).toMatchObject({ kind: 'confirm' })
    for (const status of ['confirmed', 'failed'] as const) {
      expect(nextTask(stateOf([slot(0, first, status)]), wantedOf([first], { isProven: () => true }))).toBeNull()
    }
  })

  it('is to make ready what a commit may come for, and to start it when its instant has', () => {
    const both = [first, second]
    expect(nextTask(stateOf([slot(0, first, 'confirmed'), empty(1)]), wantedOf(both))).toMatchObject({
      kind: 'bring',
      section: second,
    })
    const ready = stateOf([slot(0, first, 'confirmed'), slot(1, second, 'stored')])
    expect(nextTask(ready, wantedOf(both))).toBeNull()
    expect(nextTask(ready, wantedOf(both, { isDue: () => true }))).toMatchObject({ kind: 'activate', section: second })
    // It has flipped, and the slot of what ran is needed for nothing of this directive any more.
    const flipped = stateOf([empty(0), slot(1, second, 'trial')])
    expect(nextTask(flipped, wantedOf(both))).toBeNull()
  })

  it('is nothing of what it has refused, until that travels in another way', () => {
    const state = stateOf([empty(0), empty(1)])
    const refusedSections = new Map([[sectionName(first), 'board-full']])
    expect(nextTask(state, wantedOf([first], { refusedSections }))).toBeNull()
    const [envelope, content] = first.contents
    const smaller = { ...content!, transfer: { ...content!.transfer, encoding: 'patch' as const, size: 9 } }
    const again = { ...first, contents: [envelope!, smaller] }
    expect(nextTask(state, wantedOf([again], { refusedSections }))).toMatchObject({ kind: 'bring' })
  })
})

describe('What a node tells of a board', () => {
  const told = (state: BoardState, sections: Section[], refusals: Record<number, string> = {}) =>
    childOf(identifyOf('mcu-1'), state, true, {
      directive: wantedOf(sections).directive,
      refused: null,
      refusalOf: ({ epoch }) => refusals[epoch] ?? null,
    }).sections

  it('is how far it is with what runs, and with what it prepares', () => {
    const state = stateOf([slot(0, first, 'confirmed'), slot(1, second, 'stored')])
    expect(told(state, [first, second])).toMatchObject([
      { epoch: 1, status: 'confirmed', instances: [{ status: 'running' }], prepare: { epoch: 2, status: 'prepared' } },
    ])
    expect(told(stateOf([slot(0, first, 'confirmed'), empty(1)]), [first, second])).toMatchObject([
      { prepare: { epoch: 2, status: 'receiving', code: null } },
    ])
    expect(told(stateOf([empty(0), empty(1)]), [second])).toMatchObject([
      { epoch: 2, status: 'preparing', running: null, prepare: { status: 'receiving' } },
    ])
  })

  it('is that it has flipped, or has gone back', () => {
    const flipped = stateOf([slot(0, first, 'confirmed'), slot(1, second, 'trial')], {
      running: [{ slot: 1, status: 'running', restarts: 0, turns: 1, error: null }],
    })
    expect(told(flipped, [first, second])).toMatchObject([
      { epoch: 2, status: 'trial', running: second.release, prepare: null },
    ])
    const back = stateOf([slot(0, first, 'confirmed'), slot(1, second, 'failed')])
    expect(told(back, [first, second])).toMatchObject([
      { epoch: 2, status: 'reverted', code: 'board-reverted', running: first.release, prepare: null },
    ])
  })

  it('is why it refuses', () => {
    const state = stateOf([slot(0, first, 'confirmed'), empty(1)])
    expect(told(state, [first, second], { 2: 'board-full' })).toMatchObject([
      { status: 'confirmed', prepare: { status: 'refused', code: 'board-full' } },
    ])
    expect(told(stateOf([empty(0), empty(1)]), [first], { 1: 'wasm-memory' })).toMatchObject([
      { status: 'refused', code: 'wasm-memory', running: null },
    ])
  })
})
