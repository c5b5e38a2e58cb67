import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { project } from '../../../examples/demo/processes.ts'

const unit = join(project, 'gateway/install/hypha-agent.service')

// 0 is a service that can do nothing, 10 one that can do everything. What is left of it: reaching a network at all, and code that is compiled while it runs.
const mostExposed = 1.1

test(`systemd rates what the agent's unit leaves open at ${mostExposed} of 10 at most`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-unit-'))
  try {
    copyFileSync(unit, join(folder, 'hypha-agent.service'))
    const args = ['security', '--offline=true', '--no-pager', '--threshold=100', join(folder, 'hypha-agent.service')]
    const rated = execFileSync('systemd-analyze', args, { encoding: 'utf8' })
    const exposure = Number(/Overall exposure level for hypha-agent\.service: ([\d.]+)/.exec(rated)?.[1])
    console.log(`systemd-analyze security hypha-agent.service: ${exposure}`)
    expect(exposure).toBeLessThanOrEqual(mostExposed)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the unit knows every line of itself, and the calls that V8 and Node need are not taken away', () => {
  const text = readFileSync(unit, 'utf8')
  // V8 writes the code that it runs: a process that may not do so doesn't start.
  expect(text).not.toMatch(/^MemoryDenyWriteExecute/m)
  for (const group of ['@process', '@network-io', '@file-system', '@io-event', '@basic-io', '@ipc', '@timer'])
    expect(text).not.toMatch(new RegExp(`^SystemCallFilter=~.*${group}`, 'm'))
})
