import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { toHex } from '@hypha/core/bytes/text.ts'
import { HyphaError } from '@hypha/core/errors.ts'
import type { Command } from 'commander'
import { defineCommand } from '../cli.ts'
import { Progress } from '../progress.ts'
import { formatBytes, listing, table } from '../table.ts'

const loadDelta = async () => {
  const [make, file, inspect, decoder, compress, crypto] = await Promise.all([
    import('@hypha/core/delta/make-patch.ts'),
    import('@hypha/core/delta/patch-file.ts'),
    import('@hypha/core/delta/inspect.ts'),
    import('@hypha/core/delta/decoder.ts'),
    import('@hypha/core/platform/compress.ts'),
    import('@hypha/core/platform/crypto.ts'),
  ])
  return { ...make, ...file, ...inspect, ...decoder, compressor: compress.brotli, crypto: crypto.nodeCrypto }
}

/** Functions that are listed for people; --json has all. */
const mostListed = 40

/** Patches between two versions of a file, by hand. */
export function registerDelta(program: Command): void {
  const delta = program
    .command('delta')
    .summary('make patches between two versions of a module, and apply them')
    .description('Patches between two versions of a module: make, apply, show.')
  defineCommand<[string, string], { out: string }>(
    delta,
    {
      usage: 'make <old> <new>',
      summary: 'make a patch that turns one file into another',
      description:
        'Make a patch: for WebAssembly modules and components by what their code means, for other files by their bytes. It is never larger than the new file compressed.',
      options: [['-o, --out <patch>', 'the patch to write', 'out.patch']],
      examples: ['delta make app-1.wasm app-2.wasm -o app.patch'],
    },
    async (cli, { out }, oldPath, newPath) => {
      const { compressor, crypto, makePatch, encodePatchFile } = await loadDelta()
      const [old, content] = [readInput(oldPath), readInput(newPath)]
      const begun = performance.now()
      // Making it is one long computation: the line stands there while it lasts.
      const progress = new Progress(cli.json)
      progress.show(`making a patch from ${formatBytes(old.length)} to ${formatBytes(content.length)} …`)
      const patch = makePatch(old, content, compressor)
      progress.clear()
      const file = encodePatchFile(old, content, patch.bytes, crypto)
      writeOutput(out, file)
      const ms = Math.round(performance.now() - begun)
      const result = {
        patch: out,
        kind: patch.kind,
        bytes: patch.bytes.length,
        fileBytes: file.length,
        oldBytes: old.length,
        newBytes: content.length,
        ms,
      }
      cli.print(result, () => {
        const share = ((100 * patch.bytes.length) / Math.max(1, content.length)).toPrecision(2)
        return `${out}: ${patch.bytes.length} bytes (${patch.kind}), ${share} % of ${newPath}, made in ${ms} ms`
      })
    },
  )
  defineCommand<[string, string], { out: string }>(
    delta,
    {
      usage: 'apply <old> <patch>',
      summary: 'turn the file that a patch was made from into the new one',
      options: [['-o, --out <new>', 'the file to write', 'out.wasm']],
      examples: ['delta apply app-1.wasm app.patch -o app-2.wasm'],
    },
    async (cli, { out }, oldPath, patchPath) => {
      const { compressor, crypto, applyPatchFile, decodePatchFile } = await loadDelta()
      const old = readInput(oldPath)
      const file = decodePatchFile(readInput(patchPath), crypto)
      const begun = performance.now()
      const content = applyPatchFile(old, file, { compressor, crypto })
      const ms = Math.round(performance.now() - begun)
      writeOutput(out, content)
      const sha256 = toHex(file.newDigest)
      cli.print(
        { file: out, bytes: content.length, sha256, ms },
        () => `${out}: ${content.length} bytes, SHA-256 ${sha256}, applied in ${ms} ms`,
      )
    },
  )
  defineCommand<[string], { old?: string }>(
    delta,
    {
      usage: 'show <patch>',
      summary: 'tell what a patch is for; with the old file, what it changes',
      options: [['--old <file>', 'the file that it was made from: tells functions added, edited and removed']],
      examples: ['delta show app.patch', 'delta show app.patch --old app-1.wasm'],
    },
    async (cli, { old: oldPath }, patchPath) => {
      const { applyPatchFile, compressor, crypto, decodePatchFile, inspectPatch, readPatchHeader } = await loadDelta()
      const file = decodePatchFile(readInput(patchPath), crypto)
      const { kind, tableBits } = readPatchHeader(file.patch[0])
      const about = {
        kind,
        tableBits,
        bytes: file.patch.length,
        old: { bytes: file.oldBytes, sha256: toHex(file.oldDigest) },
        new: { bytes: file.newBytes, sha256: toHex(file.newDigest) },
      }
      const head = () =>
        listing([
          ['patch', `${kind}, ${file.patch.length} bytes`],
          ['old', `${file.oldBytes} bytes, SHA-256 ${about.old.sha256}`],
          ['new', `${file.newBytes} bytes, SHA-256 ${about.new.sha256}`],
        ])
      if (oldPath === undefined) return cli.print(about, head)
      const old = readInput(oldPath)
      applyPatchFile(old, file, { compressor, crypto })
      const { sections, functions, unchanged } = inspectPatch(old, file.patch, compressor)
      cli.print(
        { ...about, sections, functions, unchanged },
        () => `${head()}\n\n${changes(sections, functions, unchanged)}`,
      )
    },
  )
}

type Content = ReturnType<Awaited<ReturnType<typeof loadDelta>>['inspectPatch']>

function changes(sections: Content['sections'], functions: Content['functions'], unchanged: number): string {
  if (sections.length === 0) return 'A patch of this kind tells nothing of functions.'
  const bytes = (value: number): string => value.toFixed(1)
  const sorted = [...functions].sort((a, b) => b.bytes - a.bytes)
  const rest = sorted.length - mostListed
  return [
    table(
      [
        { heading: 'SECTION', text: ({ section }) => section },
        { heading: 'BYTES', text: (each) => bytes(each.bytes), right: true },
      ],
      sections,
    ),
    '',
    table(
      [
        { heading: 'FUNCTION', text: ({ index, name }) => name ?? `${index}` },
        { heading: 'CHANGE', text: ({ change }) => change },
        { heading: 'BYTES', text: (each) => bytes(each.bytes), right: true },
      ],
      sorted.slice(0, mostListed),
    ),
    ...(rest > 0 ? [`and ${rest} more; --json has all`] : []),
    `${unchanged} functions are as before, but for what they refer to`,
  ].join('\n')
}

function readInput(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path))
  } catch (cause) {
    throw new HyphaError('argument-invalid', `${path} can't be read: ${(cause as Error).message}`, {
      where: path,
      cause,
    })
  }
}

/** Whole or not at all. */
function writeOutput(path: string, bytes: Uint8Array): void {
  try {
    writeFileSync(`${path}.partial`, bytes)
    renameSync(`${path}.partial`, path)
  } catch (cause) {
    throw new HyphaError('argument-invalid', `${path} can't be written: ${(cause as Error).message}`, {
      where: path,
      cause,
    })
  }
}
