import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { writeTar } from '@hypha/core/bytes/tar.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import { agentApp } from '@hypha/core/wire/ids.ts'
import { type BuiltInOptions, releaseBuiltIn } from './built-in-release.ts'
import type { Cli } from './cli.ts'

/** As they stand on the command line. */
export interface AgentReleaseOptions extends BuiltInOptions {
  readonly bundle?: string
}

// Run as a program of its own: the gateway's side knows no code of the agent's.
const bundler = fileURLToPath(new URL('../../../agent/bundle.ts', import.meta.url))

/** Bundles, signs and pushes the agent's program, and follows it to the nodes. */
export async function releaseAgent(cli: Cli, options: AgentReleaseOptions): Promise<void> {
  const make = async () => {
    const { archive, version } = options.bundle === undefined ? await bundled(options.label) : pack(options.bundle)
    return { files: [{ name: 'agent', arch: null, bytes: archive }], version }
  }
  await releaseBuiltIn(cli, agentApp, options, make, 'no node: none has installed its agent')
}

interface Packed {
  readonly archive: Uint8Array
  readonly version: string
}

async function bundled(version: string | undefined): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'hypha-agent-'))
  try {
    await promisify(execFile)(process.execPath, [bundler, folder, ...(version === undefined ? [] : [version])])
    return pack(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A folder of programs as the archive that nodes unpack. Throws `argument-invalid` for one without a main.js, and what `writeTar` throws. */
function pack(folder: string): Packed {
  if (!existsSync(join(folder, 'main.js'))) {
    throw new HyphaError('argument-invalid', `${folder} is no bundle of the agent: it has no main.js`, {
      where: folder,
      mend: 'Make one with: node agent/bundle.ts FOLDER.',
    })
  }
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const files = entries.map((entry) => {
    const path = join(entry.parentPath, entry.name)
    return { name: relative(folder, path), bytes: readFileSync(path) }
  })
  return { archive: writeTar(files), version: versionOf(folder) }
}

function versionOf(folder: string): string {
  const path = join(folder, 'package.json')
  const { version } = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { version?: unknown }) : {}
  return typeof version === 'string' ? version : ''
}
