import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { project } from '../../../examples/demo/processes.ts'
import { gatewayUrl, installLine, makeScript } from '../../../gateway/install/script.ts'

const digest = (digit: string) => digit.repeat(64)
const script = makeScript({
  gateway: 'https://192.168.1.2:8443',
  agent: { digest: digest('a'), bytes: 400_000 },
  runtimes: [
    {
      arch: 'arm64',
      version: '24.21.0',
      file: { digest: digest('b'), bytes: 46_000_000 },
      node: { digest: digest('c'), bytes: 120_000_000 },
    },
  ],
})

describe('the installer', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hypha-script-'))
    writeFileSync(join(folder, 'install.sh'), script)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('is a POSIX shell script in which shellcheck finds nothing, as a template and filled in', () => {
    const template = join(project, 'gateway/install/install.sh')
    for (const path of [template, join(folder, 'install.sh')]) execFileSync('sh', ['-n', path])
    expect(spawnSync('shellcheck', ['--shell=sh', template], { encoding: 'utf8' }).stdout).toBe('')
  })

  it('names the digest and the size of everything that it fetches, and has nothing left to fill in', () => {
    expect(script).toContain(`'arm64:${digest('b')}:46000000:${digest('c')}:120000000'`)
    expect(script).toContain(`agent='${digest('a')}'`)
    expect(script).toContain("gateway='https://192.168.1.2:8443'")
    expect(script.match(/@[A-Z_]+@/g)).toBeNull()
  })

  it('brings the launcher and the unit as they are in the repository', () => {
    for (const path of ['agent/launcher/hypha-agent-start.sh', 'gateway/install/hypha-agent.service'])
      expect(script).toContain(readFileSync(join(project, path), 'utf8').trimEnd())
  })

  it('does nothing when it was cut off anywhere', () => {
    const body = script.slice(script.indexOf('\n') + 1)
    for (let part = 1; part < 40; part++) {
      const cut = body.slice(0, Math.floor((body.length * part) / 40))
      // Whatever is cut off, only the last line calls anything: what comes before defines, or doesn't parse.
      expect(cut).not.toMatch(/^main "\$@"$/m)
    }
    expect(body.trimEnd().endsWith('main "$@"')).toBe(true)
  })
})

describe('the line that installs', () => {
  const url = 'hypha://[fd00::2]:8443/my-fleet/pi-7?token=t&ca=c&root=r'

  it('names the digest of the installer, so that it does not matter who sends it', () => {
    const line = installLine(gatewayUrl('fd00::2', 8443), digest('d'), url)
    expect(line).toContain(`h=${digest('d')};`)
    expect(line).toContain('curl -fsSk https://[fd00::2]:8443/install/$h.sh')
    expect(line.indexOf('sha256sum -c -')).toBeLessThan(line.indexOf('sh hypha.sh'))
    expect(line).toContain(`'${url}'`)
  })

  it('is one that a shell parses', () => {
    execFileSync('sh', ['-n', '-c', installLine('https://gateway:8443', digest('d'), url)])
  })
})
