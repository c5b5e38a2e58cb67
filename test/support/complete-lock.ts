import { readFileSync, writeFileSync } from 'node:fs'

// npm leaves out of the lock file what a registry lacks of packages for other platforms, and `npm ci` then refuses the lock file: "Missing … from lock file". This enters
// them as npm would where the registry is whole: by version, for their platform only, so that no other ever asks for them.

interface LockEntry {
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly dev?: boolean
}

const path = new URL('../../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, object & LockEntry> }

const platforms = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'wasm32',
  'win32',
]
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64']

/** Where npm would put a dependency of the package at `from`; null where it finds it, in this version, already. */
function missingPath(from: string, name: string, version: string): string | null {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1))) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    const found = lock.packages[path]
    if (found?.version === version) return null
    // Another version is in the way: this one lies beside the package that needs it.
    if (found !== undefined) return `${from.slice(0, from.lastIndexOf('node_modules/'))}node_modules/${name}`
    if (folder === '') return path
  }
}

let added = 0
for (const [from, { optionalDependencies = {}, dev }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const missing = missingPath(from, name, version)
    const words = name.split(/[-/]/)
    const os = platforms.find((platform) => words.includes(platform))
    if (missing === null || os === undefined || !/^\d/.test(version)) continue
    const cpu = processors.find((processor) => words.some((word) => word.startsWith(processor)))
    const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : undefined
    lock.packages[missing] = {
      version,
      ...(cpu === undefined ? {} : { cpu: [cpu] }),
      ...(dev ? { dev } : {}),
      ...(libc === undefined ? {} : { libc: [libc] }),
      optional: true,
      os: [os],
    } as object & LockEntry
    added++
  }
}
if (added > 0) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
}
console.log(`${added} packages for other platforms entered in package-lock.json`)
