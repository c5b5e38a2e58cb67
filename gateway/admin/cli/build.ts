import { type BuildProgress, type BuiltModule, buildManifest } from '../../push/build/build.ts'
import type { Manifest } from '../../push/build/manifest.ts'
import type { Cli } from './cli.ts'
import { Progress } from './progress.ts'
import { formatBytes } from './table.ts'

const doing: Readonly<Partial<Record<BuildProgress['step'], string>>> = {
  compile: 'compiling',
  componentize: 'making the component of',
}

/** Builds what changed in an app and says what it is at. */
export async function buildWithProgress(cli: Cli, manifest: Manifest, force: boolean): Promise<BuiltModule[]> {
  const progress = new Progress(cli.json)
  const count = manifest.modules.length
  let at = 1
  const onProgress = ({ module, language, step, ms, bytes = 0 }: BuildProgress): void => {
    const verb = doing[step]
    if (verb !== undefined) progress.show(`[${at}/${count}] ${verb} ${module} (${language}) …`)
    else at++
    if (step === 'done') progress.line(`${module}  ${language}, ${formatBytes(bytes)}, built in ${Math.round(ms)} ms`)
  }
  try {
    const built = await buildManifest(manifest, { onProgress, force })
    const unchanged = built.filter(({ cached }) => cached).map(({ name }) => name)
    if (unchanged.length > 0) progress.line(`unchanged: ${unchanged.join(', ')}`)
    return built
  } finally {
    progress.clear()
  }
}
