import { realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { loadIdentity, readNodeFile } from './home.ts'
import { boundPaths } from './host/node-file.ts'
import { powerSupplies } from './host/vital-bindings.ts'
import { finishLeaving, leavingStep } from './leaving.ts'

export interface RunOptions {
  readonly home: string
  readonly json: boolean
  readonly untilStdinEnds: boolean
  /** Serial ports whose boards are children of this node. */
  readonly serial: readonly string[]
  /** The program that was started, and the Node that runs it. */
  readonly program: string
  readonly execPath: string
}

/**
 * Runs the agent under Node's permission model: without addons and child processes, reading only its own program, its folder and the kernel's
 * sensor files, writing only its folder. A process can't give up permissions, so it replaces itself by one that was started without them.
 */
export async function run(options: RunOptions): Promise<void> {
  if (process.permission) {
    const { startAgent } = await import('./agent.ts')
    await startAgent(options)
    return
  }
  const { node, fleet } = loadIdentity(options.home)
  if (leavingStep(options.home) === 'left') {
    finishLeaving(options.home)
    console.log(`${node} has left ${fleet}; what was left of it is deleted.`)
    return
  }
  const home = realpathSync(options.home)
  const { startHelper } = await import('./helper/start.ts')
  const helper = await startHelper(home)
  const { startBridge } = await import('./boards/start.ts')
  const bridge = await startBridge(home, options.serial)
  const bound = boundPaths(readNodeFile(home))
  const flags = [
    '--permission',
    ...[...readable(options.program, home), ...bound.read, powerSupplies].map(
      (path) => `--allow-fs-read=${resolve(home, path)}`,
    ),
    ...[home, ...bound.write].map((path) => `--allow-fs-write=${resolve(home, path)}`),
    '--allow-worker',
    // The warnings say that a worker could leave the permission model: cells are started so that they can't.
    '--disable-warning=PERM0006',
    '--disable-warning=ExperimentalWarning',
    ...memoryFlags,
  ]
  const args = [
    'run',
    '--home',
    home,
    ...(options.json ? ['--json'] : []),
    ...(options.untilStdinEnds ? ['--until-stdin-ends'] : []),
  ]
  process.execve!(options.execPath, [options.execPath, ...flags, options.program, ...args], {
    ...process.env,
    ...(helper === null ? {} : { HYPHA_HELPER: helper }),
    ...(bridge === null ? {} : { HYPHA_BRIDGE: bridge }),
  })
}

/** A device of the Pi's class has little memory to give, and the agent little to do between turns. */
const memoryFlags = ['--max-semi-space-size=1', '--no-maglev', '--no-sparkplug', '--efficiency-mode']

function readable(program: string, home: string): string[] {
  const own = resolve(dirname(realpathSync(program)))
  // From a checkout, the other packages and the dependencies are read too; a bundle stands alone.
  const roots = program.endsWith('.ts') ? [resolve(own, '..')] : [own]
  return [
    // A slot lies in the home already: of two folders given, one in the other, Node 24 lets the outer one itself not be read.
    ...roots.filter((root) => !root.startsWith(`${home}/`)),
    home,
    '/sys',
    '/proc/loadavg',
    '/proc/meminfo',
    '/proc/sys/kernel/random/boot_id',
    '/etc/ssl/openssl.cnf',
  ]
}
