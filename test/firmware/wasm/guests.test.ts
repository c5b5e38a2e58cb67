import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { buildChecked } from '../../support/firmware.ts'

// Modules of the greenhouse as its author's tools built them: the sampler in AssemblyScript, the frost alarm in C.
const vector = (name: string) => fileURLToPath(new URL(`../../vectors/delta/${name}.wasm`, import.meta.url))

let program: string

beforeAll(() => {
  program = buildChecked('wasm-guest')
})

function guest(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status, stdout).toBe(0)
  return stdout
}

test('The sampler gets a list of names, reads its sensors, and publishes texts and lists', () => {
  expect(guest(vector('sampler-old'), 'tick', '1')).toBe(
    [
      'emit indoor 21.5',
      'publish climate/indoor {"value":21.5,"at":1700000000000}',
      'emit outdoor -0.375',
      'publish climate/outdoor {"value":-0.375,"at":1700000000000}',
      'read 3 emitted 2 published 2 set 0 got 0 logged 0 memory 19004 fuel 1000\n',
    ].join('\n'),
  )
})

test('The sampler ticks 10,000 times in the memory that it says that it needs', () => {
  expect(guest(vector('sampler-old'), 'tick', '10000')).toContain('read 30000 emitted 20000 published 20000 ')
})

test('The frost alarm is given texts and lists 10,000 times in memory of its own allocator, and keeps a value', () => {
  expect(guest(vector('frost-alarm-old'), 'deliver', '10000')).toContain(
    'emitted 10000 published 10000 set 10000 got 10000 ',
  )
})
