import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Compiled, CompileJob, Language } from './compile.ts'
import { InputDigests } from './inputs.ts'
import { loadManifest, type Manifest, type ModuleManifest, placeInManifest } from './manifest.ts'

/** A module as it was built, or as it had been built from the same sources before. */
export interface BuiltModule {
  readonly name: string
  readonly manifest: ModuleManifest
  readonly language: Language
  /** The component; also in `path`. */
  readonly component: Uint8Array
  /** `build/NAME.wasm` in the app's folder. */
  readonly path: string
  /** SHA-256 of everything that the module was built from, in hex. */
  readonly inputs: string
  /** The sources were unchanged: nothing was compiled. */
  readonly cached: boolean
  readonly ms: number
}

export type BuildStep = 'compile' | 'componentize' | 'done' | 'unchanged'

export interface BuildProgress {
  readonly module: string
  readonly language: Language
  readonly step: BuildStep
  /** Since the module's build began. */
  readonly ms: number
  /** Size of the component, at the end. */
  readonly bytes?: number
}

export interface BuildOptions {
  readonly onProgress?: (progress: BuildProgress) => void
  /** Build also what is unchanged. */
  readonly force?: boolean
}

/** What lies in `build/NAME.json` beside a component. */
interface BuildRecord {
  readonly inputs: string
  readonly component: string
  /** Files outside the module's folder that the compiler has read, relative to the app's. */
  readonly extra: readonly string[]
}

/**
 * Builds all modules of the app in `dir` into its `build` folder. The same sources give the same bytes; modules whose sources are
 * unchanged are not built again, and then no compiler is even loaded.
 *
 * @throws HyphaError of the manifest, the WIT files, the compilers, or `source-missing` and `world-invalid`.
 */
export async function buildApp(dir: string, options: BuildOptions = {}): Promise<BuiltModule[]> {
  return buildManifest(loadManifest(dir), options)
}

/** `buildApp` for a manifest that has been read already. */
export async function buildManifest(manifest: Manifest, options: BuildOptions = {}): Promise<BuiltModule[]> {
  const digests = new InputDigests(manifest.dir)
  const built: BuiltModule[] = []
  for (const module of manifest.modules) built.push(await buildModule(manifest, module, digests, options))
  return built
}

async function buildModule(
  manifest: Manifest,
  module: ModuleManifest,
  digests: InputDigests,
  options: BuildOptions,
): Promise<BuiltModule> {
  const begun = performance.now()
  const elapsed = (): number => Math.round((performance.now() - begun) * 10) / 10
  const language = languageOf(manifest, module)
  const paths = outputPaths(manifest, module)
  const settings = JSON.stringify([module.name, module.heapBytes])
  const report = (step: BuildStep, bytes?: number): void =>
    options.onProgress?.({
      module: module.name,
      language,
      step,
      ms: elapsed(),
      ...(bytes === undefined ? {} : { bytes }),
    })

  const record = readRecord(paths.record)
  const known = record === null ? null : digests.of(language, module.source, record.extra, settings)
  const old =
    options.force !== true && record !== null && known === record.inputs ? readComponent(paths.component, record) : null
  if (old !== null && known !== null) {
    report('unchanged', old.length)
    return {
      name: module.name,
      manifest: module,
      language,
      component: old,
      path: paths.component,
      inputs: known,
      cached: true,
      ms: elapsed(),
    }
  }

  report('compile')
  const { component, extra } = await make(manifest, module, language, () => report('componentize'))
  const inputs = digests.of(language, module.source, extra, settings)
  mkdirSync(paths.dir, { recursive: true })
  writeWhole(paths.component, component)
  writeWhole(
    paths.record,
    `${JSON.stringify({ inputs, component: sha256(component), extra } satisfies BuildRecord, null, 2)}\n`,
  )
  report('done', component.length)
  return {
    name: module.name,
    manifest: module,
    language,
    component,
    path: paths.component,
    inputs,
    cached: false,
    ms: elapsed(),
  }
}

function outputPaths(manifest: Manifest, module: ModuleManifest): { dir: string; component: string; record: string } {
  const dir = join(manifest.dir, 'build')
  return { dir, component: join(dir, `${module.name}.wasm`), record: join(dir, `${module.name}.json`) }
}

/** What a module is written in, by the files in its folder. */
function languageOf(manifest: Manifest, module: ModuleManifest): Language {
  const stat = statSync(module.source, { throwIfNoEntry: false })
  if (stat?.isFile() && module.source.endsWith('.wasm')) return 'prebuilt'
  if (stat?.isDirectory()) {
    if (statSync(join(module.source, 'assembly/index.ts'), { throwIfNoEntry: false })?.isFile()) return 'assemblyscript'
    const names = readdirSync(module.source)
    if (names.includes('Cargo.toml')) return 'rust'
    if (names.some((name) => name.endsWith('.c'))) return 'c'
    const binaries = names.filter((name) => name.endsWith('.wasm'))
    if (binaries.length === 1) return 'prebuilt'
  }
  const what = stat === undefined ? 'there is nothing at' : 'there are no sources that Hypha can build in'
  throw new HyphaError('source-missing', `${module.name}: ${what} ${module.source}`, {
    where: placeInManifest(manifest, module.name, 'source'),
  })
}

/** Everything that is slow to load is loaded here. */
async function make(
  manifest: Manifest,
  module: ModuleManifest,
  language: Language,
  compiled: () => void,
): Promise<{ component: Uint8Array; extra: readonly string[] }> {
  const { loadWit } = await import('./wit.ts')
  const { sdkWitDirs } = await import('./sdk.ts')
  const wit = loadWit([...sdkWitDirs, join(manifest.dir, 'wit')])
  const bindingsDir = join(manifest.dir, 'build/bindings')
  if (language === 'assemblyscript' || language === 'c') {
    const { writeBindings } = await import('./bindgen.ts')
    const own = wit.interfaces.filter((item) => !/^hypha:(host|module)$/.test(item.package))
    writeBindings(own, language, join(bindingsDir, language))
  }
  const job: CompileJob = { app: manifest.name, module, appDir: manifest.dir, interfaces: wit.interfaces, bindingsDir }
  const result = await compile(language, job)
  compiled()
  if (result.kind === 'component') return { component: result.bytes, extra: [] }
  const { finishCore } = await import('./finish-core.ts')
  const { componentize } = await import('./componentize.ts')
  const component = await componentize(module.name, finishCore(result.bytes, result.renames), wit)
  return { component, extra: result.extra }
}

async function compile(language: Language, job: CompileJob): Promise<Compiled> {
  switch (language) {
    case 'assemblyscript':
      return (await import('./compile-assemblyscript.ts')).compileAssemblyScript(job)
    case 'c':
      return (await import('./compile-c.ts')).compileC(job)
    case 'rust':
      return (await import('./compile-rust.ts')).compileRust(job)
    case 'prebuilt':
      return (await import('./prebuilt.ts')).readPrebuilt(job)
  }
}

function readRecord(path: string): BuildRecord | null {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as Partial<BuildRecord>
    const { inputs, component, extra } = record
    if (typeof inputs !== 'string' || typeof component !== 'string' || !Array.isArray(extra)) return null
    return { inputs, component, extra: extra.filter((file) => typeof file === 'string') }
  } catch (cause) {
    // A record that can't be read is as good as none: the module is built again.
    if (cause instanceof SyntaxError || (cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw cause
  }
}

function readComponent(path: string, record: BuildRecord): Uint8Array | null {
  try {
    const bytes = new Uint8Array(readFileSync(path))
    return sha256(bytes) === record.component ? bytes : null
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw cause
  }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A reader sees the old file or the new one, never half of one. */
function writeWhole(path: string, contents: string | Uint8Array): void {
  const part = `${path}.${process.pid}.part`
  writeFileSync(part, contents)
  renameSync(part, path)
}
