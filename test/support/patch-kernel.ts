// Compiles the kernel that applies patches, and writes it into agent/sandbox/worker/patch-kernel-wasm.ts: node test/support/patch-kernel.ts
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../agent/sandbox')
const file = join(folder, 'worker/patch-kernel-wasm.ts')

/** The text of `patch-kernel-wasm.ts` as the sources have it. */
export async function compileKernel(): Promise<string> {
  const { default: asc } = await import('assemblyscript/asc')
  const stderr = asc.createMemoryStream()
  let binary: Uint8Array | null = null
  const { error } = await asc.main(
    [
      ...['index.ts', '--outFile', 'kernel.wasm', '--runtime', 'stub', '--use', 'abort='],
      // 96 MiB at most: what needs more is left to the decoder in TypeScript.
      ...['--optimizeLevel', '3', '--shrinkLevel', '1', '--initialMemory', '4', '--maximumMemory', '1536'],
    ],
    {
      stderr,
      readFile: (name) => {
        try {
          return readFileSync(join(folder, 'patch-kernel/assembly', name), 'utf8')
        } catch {
          // The compiler looks for a module in several places.
          return null
        }
      },
      writeFile: (_name, contents) => {
        if (typeof contents !== 'string') binary = contents
      },
      listFiles: () => [],
    },
  )
  if (error !== null || binary === null) throw new Error(stderr.toString())
  const text = Buffer.from(binary).toString('base64')
  return `/** Written by test/support/patch-kernel.ts. */\nexport const patchKernelWasm =\n  '${text}'\n`
}

export const checkedInKernel = (): string => readFileSync(file, 'utf8')

if (import.meta.main) {
  const text = await compileKernel()
  writeFileSync(file, text)
  console.log(`${text.length} characters`)
}
