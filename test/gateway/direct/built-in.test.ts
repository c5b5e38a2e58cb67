import { toHex } from '@hypha/core/bytes/text.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import type { Release } from '@hypha/core/trust/release.ts'
import { checkDirective, checkSection } from '@hypha/core/trust/shape.ts'
import { expect, test } from 'vitest'
import { direct } from '../../../gateway/direct/direct.ts'
import type { DirectNode } from '../../../gateway/direct/input.ts'
import { planOf, release } from '../place/fleets.ts'

// The agent's own release: for every node that installs it by itself, and placed on none.

const file = (name: string, arch: string | null, byte: number) => ({
  name,
  arch,
  artifact: { digest: new Uint8Array(32).fill(byte), size: 100 },
})
const agent = (number = 1): Release => ({
  ...release([], 'hypha-agent', number),
  files: [file('agent', null, number), file('node', 'arm64', 64), file('node', 'x64', 86)],
})
const installing = (id: string, arch: string, last: Directive | null = null): DirectNode => ({
  id,
  removed: false,
  last,
  installs: { apps: ['hypha-agent'], arch },
})
const others: DirectNode[] = [
  { id: 'checkout', removed: false, last: null, installs: null },
  { id: 'silent', removed: false, last: null },
  { id: 'other-apps', removed: false, last: null, installs: { apps: ['firmware'], arch: 'x64' } },
  { ...installing('gone', 'x64'), removed: true },
]

const directed = (nodes: DirectNode[], wanted = agent(), epoch = 0) =>
  direct({
    fleet: 'demo',
    nodes,
    apps: [
      {
        plan: planOf(wanted, []),
        release: wanted,
        digest: new Uint8Array(32).fill(wanted.number),
        envelope: { digest: new Uint8Array(32).fill(200 + wanted.number), size: 900 },
        epoch,
      },
    ],
    settings: () => ({}),
    transfer: (_node, { digest, size }) => ({ encoding: 'identity', base: null, via: null, digest, size }),
    now: 1_000,
    lifetimeMs: 86_400_000,
  })

const bytesOf = (made: Directive) => made.sections[0]!.contents.map(({ digest }) => toHex(digest).slice(0, 2))

test('goes to every node that installs it, with the files for its architecture, and to no other', () => {
  const { directives } = directed([installing('pi-7', 'arm64'), installing('nuc', 'x64'), ...others])
  expect(directives.map(({ node, sections }) => [node, sections.length])).toEqual([
    ['gone', 0],
    ['nuc', 1],
    ['pi-7', 1],
  ])
  const [, nuc, pi] = directives
  expect([bytesOf(nuc!), bytesOf(pi!)]).toEqual([
    ['c9', '01', '56'],
    ['c9', '01', '40'],
  ])
  for (const made of directives) {
    checkDirective(made)
    for (const section of made.sections) checkSection(section, agent())
  }
})

test('is the same directive until another release is to run, and then one epoch higher', () => {
  const first = directed([installing('pi-7', 'arm64')])
  const again = (wanted: Release) => directed([installing('pi-7', 'arm64', first.directives[0]!)], wanted, 1)
  expect(again(agent()).directives).toEqual([])
  expect(again(agent(2)).directives.map(({ version, sections }) => [version, sections[0]!.epoch])).toEqual([[2, 2]])
})
