import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { writeTar } from '@hypha/core/bytes/tar.ts'
import { InstallFiles, type StoredFile } from './files.ts'
import { type Runtime, storedRuntimes, storeInstalledRuntimes } from './runtimes.ts'
import { gatewayUrl, makeScript } from './script.ts'

/** The agent's program as a signed release of it says. */
export interface ReleasedAgent {
  readonly digest: string
  readonly number: number
  readonly bytes: () => Uint8Array
}

export interface InstallablesOptions {
  /** Where they lie; made when missing. */
  readonly folder: string
  /** How devices reach this gateway. */
  readonly address: () => { readonly host: string; readonly httpPort: number }
  /** The newest release of the agent that enough have signed; null before the first. */
  readonly released: () => ReleasedAgent | null
  /** Told once what takes seconds. */
  readonly onSlow: (what: string) => void
}

/** What devices install at present. */
export interface Installable {
  readonly gateway: string
  readonly script: StoredFile
  /** `release`: its number; null for the gateway's own, where none was pushed. */
  readonly agent: StoredFile & { readonly release: number | null }
  readonly runtimes: Runtime[]
}

export interface Installables {
  /** Makes what is missing first: some seconds the first time. */
  current(): Promise<Installable>
  /** A stored file and where it lies; null where there is none. */
  find(digest: string): Promise<(StoredFile & { readonly path: string }) | null>
}

/** Scripts that stay good after newer ones: lines that were printed and not used yet. */
const keptScripts = 8
const slowMs = 1_000
const run = promisify(execFile)
const bundler = resolve(import.meta.dirname, '../../agent/bundle.ts')

/** What devices install from this gateway: made at first need, stored by digest, and only what is stored and verified is named. */
export function createInstallables({ folder, address, released, onSlow }: InstallablesOptions): Installables {
  let files: InstallFiles | null = null
  const opened = () => {
    files ??= new InstallFiles(folder)
    return files
  }
  let own: Promise<StoredFile> | null = null
  let last: Promise<unknown> = Promise.resolve()

  const agentOf = async (store: InstallFiles): Promise<Installable['agent']> => {
    const signed = released()
    if (signed !== null) {
      const stored = (await store.find(signed.digest)) ?? (await store.add((path) => writeFile(path, signed.bytes())))
      return { ...stored, release: signed.number }
    }
    own ??= bundle(store)
    // A bundler that failed is tried again at the next need.
    own.catch(() => {
      own = null
    })
    return { ...(await own), release: null }
  }

  const make = async (): Promise<Installable> => {
    const store = opened()
    await storeInstalledRuntimes(store)
    const agent = await agentOf(store)
    const runtimes = await storedRuntimes(store)
    const { host, httpPort } = address()
    const gateway = gatewayUrl(host, httpPort)
    const text = makeScript({ gateway, agent, runtimes })
    const script = await store.add((path) => writeFile(path, text))
    const named = [script.digest, agent.digest, ...runtimes.map(({ file }) => file.digest)]
    await writeFile(join(folder, `script-${script.digest}.json`), JSON.stringify({ at: Date.now(), files: named }))
    await dropOldScripts(store)
    return { gateway, script, agent, runtimes }
  }

  return {
    current() {
      const slow = setTimeout(
        () => onSlow("Preparing what devices install: Node's runtime and the agent's bundle"),
        slowMs,
      )
      // One after another: two at once would compress the same twice.
      const made = last.then(make, make).finally(() => clearTimeout(slow))
      last = made.catch(() => undefined)
      return made
    },
    async find(digest) {
      const found = await opened().find(digest)
      return found && { ...found, path: opened().path(digest) }
    },
  }
}

/** The agent's bundle of this installation, in a process of its own: what it needs for that, a gateway that never does it doesn't load. */
async function bundle(store: InstallFiles): Promise<StoredFile> {
  const folder = await mkdtemp(join(tmpdir(), 'hypha-bundle-'))
  try {
    await run(process.execPath, [bundler, folder])
    const names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
    const packed = names.map((path) => ({ name: path.slice(folder.length + 1), bytes: readFileSync(path) }))
    return await store.add((path) => writeFile(path, writeTar(packed)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function dropOldScripts(store: InstallFiles): Promise<void> {
  const records = readdirSync(store.folder)
    .filter((name) => /^script-[0-9a-f]{64}\.json$/.test(name))
    .map((name) => ({
      name,
      ...(JSON.parse(readFileSync(join(store.folder, name), 'utf8')) as { at: number; files: string[] }),
    }))
    .sort((a, b) => b.at - a.at)
  for (const { name } of records.slice(keptScripts)) await rm(join(store.folder, name), { force: true })
  const kept = records.slice(0, keptScripts).flatMap((record) => record.files)
  // A runtime of another architecture may just have been added by the command line.
  const added = (await storedRuntimes(store)).map(({ file }) => file.digest)
  await store.keepOnly(new Set([...kept, ...added]))
}
