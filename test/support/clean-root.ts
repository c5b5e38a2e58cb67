import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

// A Debian as small as it gets, made by debootstrap from the mirror that apt on this machine uses: what a device is before anything was installed on it.

const folder = '/var/cache/hypha-tests'
const run = promisify(execFile)
const said = (program: string, args: readonly string[]) => execFileSync(program, args, { encoding: 'utf8' })

/** A fresh root with curl and nothing of Hypha's. The first one takes half a minute; later ones are copies of what it left in /var/cache. */
export async function cleanRoot(): Promise<string> {
  const suite = suiteOfApt()
  const made = join(folder, `${suite.release}-${process.arch}`)
  if (!existsSync(made)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const fresh = `${made}.new`
    rmSync(fresh, { recursive: true, force: true })
    const args = ['--variant=minbase', '--include=curl,ca-certificates', suite.release, fresh, suite.mirror]
    // Not the Sync form: for half a minute nobody would hear from this process.
    await run('debootstrap', args, { env: { ...process.env, ...suite.proxy }, maxBuffer: 1 << 26 })
    rmSync(join(fresh, 'var/cache/apt'), { recursive: true, force: true })
    renameSync(fresh, made)
  }
  const root = mkdtempSync(join(tmpdir(), 'hypha-root-'))
  rmSync(root, { recursive: true })
  // Devices, links, owners and modes as they are.
  await run('cp', ['-a', made, root])
  return root
}

interface Suite {
  readonly release: string
  readonly mirror: string
  readonly proxy: NodeJS.ProcessEnv
}

/** The main suite of this machine's own sources: not its updates, nor a third party's. */
function suiteOfApt(): Suite {
  const codename = said('sh', ['-c', '. /etc/os-release && echo "$VERSION_CODENAME"']).trim()
  const targets = said('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)'])
    .split('\n')
    .map((line) => line.split(' '))
  const [mirror] = targets.find(([, release, component]) => release === codename && component === 'main') ?? []
  if (mirror === undefined) throw new Error(`apt on this machine has no source for ${codename} main`)
  const proxyOf = (scheme: string) =>
    /"(.*)"/.exec(said('apt-config', ['dump', '--format', '%f "%v"%n', `Acquire::${scheme}::Proxy`]))?.[1]
  const [http, https] = [proxyOf('http'), proxyOf('https')]
  return {
    release: codename,
    mirror,
    proxy: { ...(http ? { http_proxy: http } : {}), ...(https ? { https_proxy: https } : {}) },
  }
}
