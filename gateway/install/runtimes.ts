import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip } from 'node:zlib'
import { HyphaError } from '@hypha/core/errors.ts'
import { digestOfFile, type InstallFiles, type StoredFile } from './files.ts'

/** Node for one architecture, as devices get it. */
export interface Runtime {
  /** As Node names it. */
  readonly arch: Arch
  /** Node's version, "24.21.0". */
  readonly version: string
  /** The compressed program, which is what is downloaded. */
  readonly file: StoredFile
  /** The program itself. */
  readonly node: StoredFile
}

export const runtimeArchs = ['x64', 'arm64'] as const
export type Arch = (typeof runtimeArchs)[number]

const run = promisify(execFile)
const project = resolve(import.meta.dirname, '../..')

/** Higher levels gain 3 % of the size and take twice the time: 46.0 MB in 3.0 s against 44.6 MB in 5.4 s for Node 24 on x64. */
const gzipLevel = 4

const recordOf = (files: InstallFiles, arch: Arch) => join(files.folder, `runtime-${arch}.json`)
const packageOf = (arch: Arch) => `node-linux-${arch}`

/** The runtimes that are stored whole. */
export async function storedRuntimes(files: InstallFiles): Promise<Runtime[]> {
  const all = await Promise.all(runtimeArchs.map((arch) => storedRuntime(files, arch)))
  return all.filter((runtime) => runtime !== null)
}

async function storedRuntime(files: InstallFiles, arch: Arch): Promise<Runtime | null> {
  const path = recordOf(files, arch)
  if (!existsSync(path)) return null
  const runtime = JSON.parse(await readFile(path, 'utf8')) as Runtime
  return (await files.find(runtime.file.digest)) === null ? null : runtime
}

/** Stores the runtimes that `npm ci` has brought to this machine, where they are missing or of another version. */
export async function storeInstalledRuntimes(files: InstallFiles): Promise<void> {
  for (const arch of runtimeArchs) {
    const folder = join(project, 'node_modules', packageOf(arch))
    const program = join(folder, 'bin/node')
    if (!existsSync(program)) continue
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
    if ((await storedRuntime(files, arch))?.version !== version) await storeRuntime(files, arch, version, program)
  }
}

async function storeRuntime(files: InstallFiles, arch: Arch, version: string, program: string): Promise<Runtime> {
  const node = { digest: await digestOfFile(program), bytes: statSync(program).size }
  // zlib works on threads of its own: the gateway goes on answering meanwhile.
  const file = await files.add((path) =>
    pipeline(createReadStream(program), createGzip({ level: gzipLevel }), createWriteStream(path, { mode: 0o600 })),
  )
  const runtime: Runtime = { arch, version, file, node }
  const path = recordOf(files, arch)
  await writeFile(`${path}.part`, JSON.stringify(runtime), { flush: true })
  await rename(`${path}.part`, path)
  return runtime
}

/**
 * Brings the runtime of another architecture: the npm package at the version that the lock file names, checked against the lock file's SHA-512 before anything
 * of it is read. Without `archive`, npm downloads it.
 *
 * @throws HyphaError `runtime-unknown`, `runtime-unavailable`, `runtime-mismatch`.
 */
export async function addRuntime(files: InstallFiles, arch: string, archive?: string): Promise<Runtime> {
  const known = runtimeArchs.find((each) => each === arch)
  if (known === undefined) {
    throw new HyphaError('runtime-unknown', `There is no runtime for "${arch}": there are ${runtimeArchs.join(', ')}`)
  }
  const { version, integrity } = lockedRuntime(known)
  const folder = await mkdtemp(join(tmpdir(), 'hypha-runtime-'))
  try {
    const packed = archive === undefined ? await download(`${packageOf(known)}@${version}`, folder) : resolve(archive)
    await checkIntegrity(packed, integrity)
    await run('tar', ['-xzf', packed, '-C', folder, 'package/bin/node'])
    return await storeRuntime(files, known, version, join(folder, 'package/bin/node'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function lockedRuntime(arch: Arch): { version: string; integrity: string } {
  const path = join(project, 'package-lock.json')
  const lock = JSON.parse(readFileSync(path, 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string }>
  }
  const { version, integrity } = lock.packages[`node_modules/${packageOf(arch)}`] ?? {}
  if (version === undefined || !integrity?.startsWith('sha512-')) {
    throw new HyphaError('runtime-unknown', `The lock file names no ${packageOf(arch)}`, { where: path })
  }
  return { version, integrity }
}

async function download(spec: string, folder: string): Promise<string> {
  try {
    const { stdout } = await run('npm', ['pack', spec, '--json', '--pack-destination', folder], {
      cwd: folder,
      timeout: 600_000,
      maxBuffer: 1 << 24,
    })
    const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>)
    return join(folder, basename(packed!.filename))
  } catch (cause) {
    const why = String((cause as { stderr?: string }).stderr || (cause as Error).message)
    const line = why.split('\n').find((each) => /error/i.test(each)) ?? why.split('\n')[0]
    throw new HyphaError('runtime-unavailable', `npm could not bring ${spec}: ${line}`, { cause })
  }
}

async function checkIntegrity(path: string, integrity: string): Promise<void> {
  const hash = createHash('sha512')
  try {
    await pipeline(createReadStream(path), hash)
  } catch (cause) {
    throw new HyphaError('runtime-unavailable', `${path} can't be read: ${(cause as Error).message}`, { cause })
  }
  if (`sha512-${hash.digest('base64')}` === integrity) return
  throw new HyphaError('runtime-mismatch', `${basename(path)} is not the package that the lock file names`, {
    where: path,
  })
}
