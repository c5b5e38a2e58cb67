import { toHex } from '@hypha/core/bytes/text.ts'
import { directive, type Section } from '@hypha/core/trust/directive.ts'
import { checkDirective, checkSection } from '@hypha/core/trust/shape.ts'
import { expect, test } from 'vitest'
import { demoFleet, greenhouse, module, node, release } from '../place/fleets.ts'
import { directed } from './directed.ts'

const day = 86_400_000

test('each node with instances gets a directive that says which, with the contents that they need', () => {
  const { directives } = directed()
  expect(
    directives.map((made) => [
      made.node,
      made.version,
      made.sections.map((section) => section.instances.map((item) => item.module)),
    ]),
  ).toEqual([
    ['cloud-1', 1, [['report']]],
    ['gw-edge', 1, [['ledger']]],
    ['pi-7', 1, [['frost-alarm', 'sampler']]],
    ['pi-8', 1, [['frost-alarm', 'sampler']]],
  ])
  for (const made of directives) {
    checkDirective(made)
    expect(directive.decode(directive.encode(made))).toEqual(made)
    for (const section of made.sections) checkSection(section, greenhouse())
    expect(toHex(made.sections[0]!.contents[0]!.digest)).toBe('c9'.repeat(32))
  }
})

test('a node without instances gets none', () => {
  const { made } = directed({ releases: [release([module('m', { imports: ['sql'] })])] })
  expect(made).toEqual(['gw-edge'])
})

test('what did not change is not directed anew', () => {
  const first = directed()
  const second = directed({ last: first.all, epochs: first.epochs, now: 2_000 })
  expect(second.made).toEqual([])
  expect(second.epochs).toEqual(first.epochs)
})

test('a new release gives every node of its app the next version and the next epoch', () => {
  const first = directed()
  const second = directed({ releases: [{ ...greenhouse(), number: 2 }], last: first.all, epochs: first.epochs })
  expect(second.directives.map(({ node: id, version, sections }) => [id, version, sections[0]!.epoch])).toEqual([
    ['cloud-1', 2, 2],
    ['gw-edge', 2, 2],
    ['pi-7', 2, 2],
    ['pi-8', 2, 2],
  ])
  expect(second.epochs.get('greenhouse')).toBe(2)
})

test('a new device touches nobody else, and is given the next epoch', () => {
  const first = directed()
  const second = directed({ fleet: [...demoFleet(), node('pi-9')], last: first.all, epochs: first.epochs })
  expect(second.directives.map(({ node: id, version, sections }) => [id, version, sections[0]!.epoch])).toEqual([
    ['pi-9', 1, 2],
  ])
})

test('a new app adds a section and leaves the epoch of the other as it was', () => {
  const first = directed()
  const other = release([module('m', { imports: ['sensor'] })], 'other')
  const second = directed({ releases: [greenhouse(), other], last: first.all, epochs: first.epochs })
  expect(second.made).toEqual(['pi-7', 'pi-8'])
  expect(second.directives[0]!.sections.map(({ app, epoch }) => [app, epoch])).toEqual([
    ['greenhouse', 1],
    ['other', 1],
  ])
  expect(second.directives[0]!.sections[0]).toBe(first.all.find((made) => made.node === 'pi-7')!.sections[0])
})

test('an app that is gone leaves its nodes with an empty directive', () => {
  const first = directed()
  const second = directed({ releases: [], last: first.all })
  expect(second.directives.map(({ version, sections, leave }) => [version, sections.length, leave])).toEqual(
    Array.from({ length: 4 }, () => [2, 0, false]),
  )
})

test('a node that was removed is told to leave, once', () => {
  const first = directed()
  const second = directed({ removed: ['pi-7'], last: first.all, epochs: first.epochs })
  expect(second.made).toEqual(['pi-7'])
  expect(second.directives[0]).toMatchObject({ node: 'pi-7', version: 2, sections: [], leave: true })
  expect(directed({ removed: ['pi-7'], last: second.all, epochs: second.epochs }).made).toEqual([])
})

test('settings are part of what a directive says', () => {
  const settings = { a: { kind: 'plain', value: '1' }, b: { kind: 'plain', value: '2' } } as const
  const first = directed()
  const second = directed({ last: first.all, epochs: first.epochs, settings })
  expect(second.made).toHaveLength(4)
  expect(second.directives[0]!.sections[0]!.instances[0]!.config).toEqual(settings)
  const reordered = { b: settings.b, a: settings.a }
  expect(directed({ last: second.all, epochs: second.epochs, settings: reordered }).made).toEqual([])
})

test('a directive is renewed when half of its life is over, and nothing restarts', () => {
  const first = directed()
  expect(directed({ last: first.all, epochs: first.epochs, now: 14 * day }).made).toEqual([])
  const second = directed({ last: first.all, epochs: first.epochs, now: 16 * day })
  expect(second.made).toHaveLength(4)
  expect(second.directives[0]!.version).toBe(2)
  expect(second.directives[0]!.sections).toEqual(first.directives[0]!.sections)
})

test('more signatures on the release that runs are told in the epoch that it has', () => {
  const first = directed()
  const { directives, epochs } = directed({ last: first.all, epochs: first.epochs, signatures: 1 })
  expect(directives.map(({ node: id, version }) => [id, version])).toEqual(first.all.map(({ node: id }) => [id, 2]))
  expect(epochs).toEqual(first.epochs)
  for (const [index, { sections }] of directives.entries()) {
    const [before] = first.directives[index]!.sections
    const [after] = sections
    expect({ ...after, envelope: before!.envelope, contents: before!.contents }).toEqual(before)
    expect(after!.contents.map(({ digest }) => digest)).toEqual([
      after!.envelope,
      ...before!.contents.slice(1).map(({ digest }) => digest),
    ])
    expect(after!.contents[0]!.transfer.digest).toEqual(after!.envelope)
  }
})

test('a section that is carried over stays word for word, and does not move the epoch of the others', () => {
  const first = directed()
  const seen = first.all.map((made) =>
    made.node === 'pi-7'
      ? { ...made, sections: made.sections.map((section) => ({ ...section, epoch: 7, release: new Uint8Array(32) })) }
      : made,
  )
  const carried = { 'pi-7': ['greenhouse'] }
  const same = directed({ last: seen, epochs: first.epochs, carried })
  expect(same.made).toEqual([])
  expect(same.epochs).toEqual(first.epochs)
  const other = directed({
    last: seen,
    epochs: new Map([['greenhouse', 7]]),
    carried,
    settings: { level: { kind: 'plain', value: '1' } },
  })
  expect(other.made).not.toContain('pi-7')
  expect(other.epochs).toEqual(new Map([['greenhouse', 8]]))
  // Also where the gateway doesn't know the app at all.
  expect(directed({ last: seen, releases: [], carried }).all.find((made) => made.node === 'pi-7')).toEqual(
    seen.find((made) => made.node === 'pi-7'),
  )
})

test('more than a directive can say is an error that names the node', () => {
  const modules = Array.from({ length: 128 }, (_, index) =>
    module(`m${index}`, { imports: ['sql', 'kv', 'log', 'messages', 'telemetry', 'clock', 'config'] }),
  )
  const apps = ['a', 'b', 'c'].map((app) => release(modules, app))
  expect(() => directed({ releases: apps, fleet: [node('gw-edge', { tier: 'edge' })] })).toThrow(
    /gw-edge is to run 384 instances/,
  )
})

test('A node that refused a patch is told of another way, in the section and under the epoch that it has, and only once', () => {
  const first = directed({ encoding: 'patch' })
  const [told] = first.all
  const { node: id, sections } = told!
  const refused = { [id]: { [sections[0]!.app]: sections[0]!.epoch } }
  const second = directed({ last: first.all, epochs: first.epochs, refused })
  expect(second.made).toEqual([id])
  const [again] = second.directives
  expect(again!.version).toBe(told!.version + 1)
  const unsent = (section: Section) => ({ ...section, contents: section.contents.map(({ digest }) => toHex(digest)) })
  expect(again!.sections.map(unsent)).toEqual(sections.map(unsent))
  expect(again!.sections[0]!.contents.every(({ transfer }) => transfer.base === null)).toBe(true)
  expect(second.epochs).toEqual(first.epochs)
  const third = { last: second.all, epochs: second.epochs }
  expect(directed({ ...third, refused }).made).toEqual([])
  expect(
    directed({ last: first.all, epochs: first.epochs, refused: { [id]: { [sections[0]!.app]: 99 } } }).made,
  ).toEqual([])
})
