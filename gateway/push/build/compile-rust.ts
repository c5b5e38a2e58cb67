import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { HyphaError } from '@hypha/core/errors.ts'
import { memoryEndGlobal } from '@hypha/core/wasm/analyse.ts'
import type { Compiled, CompileJob } from './compile.ts'
import { sdkDir } from './sdk.ts'

const target = 'wasm32-unknown-unknown'
const run = promisify(execFile)
const maxBuffer = 64 * 1024 ** 2

/**
 * Compiles a module's Cargo package with the installed cargo.
 *
 * @throws HyphaError `tool-missing` where cargo or its target isn't there, and `compile-failed` with cargo's words.
 */
export async function compileRust(job: CompileJob): Promise<Compiled> {
  await checkTools(job)
  const dir = join(job.module.source, 'target')
  const linker = ['-zstack-size=4096', '--stack-first', '--export=__heap_base', '--strip-all']
  const rustflags = [
    ...linker.map((flag) => `-Clink-arg=${flag}`),
    '-Ctarget-cpu=mvp',
    '-Ctarget-feature=+bulk-memory,+sign-ext,+nontrapping-fptoint',
  ]
  try {
    await run('cargo', ['build', '--release', '--target', target, '--target-dir', dir], {
      cwd: job.module.source,
      maxBuffer,
      env: {
        ...process.env,
        CARGO_ENCODED_RUSTFLAGS: rustflags.join('\x1f'),
        HYPHA_HEAP_BYTES: String((job.module.heapBytes + 15) & ~15),
        HYPHA_SDK: join(sdkDir, 'rust'),
      },
    })
  } catch (cause) {
    throw compileError(job, cause)
  }
  const made = join(dir, target, 'release')
  const files = (await readdir(made)).filter((name) => name.endsWith('.wasm'))
  if (files.length !== 1) {
    throw new HyphaError(
      'compile-failed',
      `${job.module.name}: cargo made ${files.length} .wasm files in place of one`,
      {
        where: made,
        mend: 'The package needs one library with crate-type = ["cdylib"].',
      },
    )
  }
  const bytes = new Uint8Array(await readFile(join(made, files[0]!)))
  return { kind: 'core', bytes, renames: new Map([['__heap_base', memoryEndGlobal]]), extra: [] }
}

/** Cargo's own words about a missing target are a page about `core`: ask beforehand. */
async function checkTools(job: CompileJob): Promise<void> {
  const options = { cwd: job.module.source, maxBuffer }
  const libdir = await run('rustc', ['--print', 'target-libdir', '--target', target], options).catch((cause) => {
    throw new HyphaError('tool-missing', `${job.module.name} is written in Rust, and rustc can't be run`, {
      mend: 'Install Rust (https://rustup.rs), then: rustup target add wasm32-unknown-unknown',
      cause,
    })
  })
  const files = await readdir(libdir.stdout.trim()).catch(() => [] as string[])
  if (!files.some((name) => name.startsWith('libcore-'))) {
    throw new HyphaError(
      'tool-missing',
      `${job.module.name} is written in Rust, and the installed Rust lacks the target ${target}`,
      {
        mend: `Run: rustup target add ${target}`,
      },
    )
  }
}

function compileError(job: CompileJob, cause: unknown): HyphaError {
  const { stderr } = cause as { stderr?: string }
  const words = stderr?.trim() ?? String(cause)
  const place = /--> (\S+:\d+:\d+)/.exec(words)
  const where = place === null ? job.module.source : join(job.module.source, place[1]!)
  return new HyphaError('compile-failed', `${job.module.name}: ${words}`, { where, cause })
}
