import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, project, RunningProgram } from '../../examples/demo/processes.ts'

/** Command lines of the processes that name a folder. */
function processesIn(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        return line.includes(folder) ? [line] : []
      } catch {
        // It has ended in between.
        return []
      }
    })
}

describe('the demo', () => {
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hypha-demo-test-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const start = (...args: string[]) =>
    new RunningProgram(join(project, 'examples/demo/demo.ts'), args, { TMPDIR: folder })

  async function expectNothingLeft(): Promise<void> {
    expect(readdirSync(folder)).toEqual([])
    await eventually('all processes of the demo to end', () => (processesIn(folder).length === 0 ? true : undefined))
  }

  it('shows the plan and values of every node and module, ends by itself, and leaves nothing behind', async () => {
    const demo = start('--for', '9s', '--plain')
    await demo.line(/Values of 4 modules came from 4 nodes/)
    expect(await demo.ended).toBe(0)
    const shown = demo.lines.join('\n')
    for (const node of ['pi-1', 'pi-2', 'edge', 'cloud-1'])
      expect(shown).toMatch(new RegExp(`(device|edge|cloud) +${node} `))
    for (const module of ['sampler', 'frost-alarm', 'ledger', 'report']) expect(shown).toContain(module)
    expect(shown).toContain('one instance for each device, because it imports hypha:host/sensor@0.1.0')
    await expectNothingLeft()
  })

  it('leaves nothing behind when it is interrupted', async () => {
    const demo = start('--plain')
    await demo.line(/hypha plan/)
    expect(await demo.end('SIGINT')).toBe(130)
    await expectNothingLeft()
  })
})
