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

  it('has root read nothing that the user of the agent may write: the command line becomes that user first', () => {
    const command = script.slice(script.indexOf('<<HYPHA_COMMAND'), script.lastIndexOf('HYPHA_COMMAND'))
    expect(command.indexOf('exec $(drop_to_user)')).toBeGreaterThan(0)
    expect(command.indexOf('exec $(drop_to_user)')).toBeLessThan(command.indexOf('$(cat '))
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

  it('goes on only in a folder of its own, and takes no more than a script has', () => {
    const line = installLine(gatewayUrl('fd00::2', 8443), digest('d'), url)
    expect(line).toContain('d=$(mktemp -d) && cd "$d" && curl')
    expect(line).toContain('| head -c 1000000 >hypha.sh && echo')
    expect(script.length).toBeLessThan(1_000_000)
  })

  it('is one that a shell parses', () => {
    execFileSync('sh', ['-n', '-c', installLine('https://gateway:8443', digest('d'), url)])
  })
})
