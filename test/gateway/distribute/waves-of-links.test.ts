import { expect, test } from 'vitest'
import { wavesOf } from '../../../gateway/distribute/waves.ts'
import { demoFleet, greenhouse, planOf } from '../place/fleets.ts'

const input = {
  nodes: ['cloud-1', 'gw-edge', 'pi-7', 'pi-8'].map((id) => ({ id, online: true, labels: [] })),
  before: planOf(greenhouse(), demoFleet()),
  after: planOf(greenhouse(), demoFleet()),
  rules: [
    { kind: 'share', percent: 25 },
    { kind: 'share', percent: 50 },
    { kind: 'share', percent: 75 },
  ] as const,
  snap: false,
}

test('Nodes that call each other in a way that changes are in one wave, the earliest of theirs', () => {
  expect(wavesOf(input)).toEqual([['cloud-1'], ['gw-edge'], ['pi-7'], ['pi-8']])
  expect(wavesOf({ ...input, together: [['pi-7', 'cloud-1']] })).toEqual([['cloud-1', 'pi-7'], ['gw-edge'], ['pi-8']])
  expect(
    wavesOf({
      ...input,
      together: [
        ['pi-7', 'gw-edge'],
        ['pi-8', 'gw-edge'],
      ],
    }),
  ).toEqual([['cloud-1'], ['gw-edge', 'pi-7', 'pi-8']])
})
