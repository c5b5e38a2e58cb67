// Applies a patch once in a process of its own, as an agent does, and compiles what comes out: node cold-apply.ts OLD PATCH kernel|decoder
import { readFileSync } from 'node:fs'
import { applyByKernel, applyPatch } from '@hypha/core/delta/decoder.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { createPatchKernel } from '../../agent/sandbox/worker/patch-kernel.ts'

const [oldPath, patchPath, by] = process.argv.slice(2)
const [old, patch] = [new Uint8Array(readFileSync(oldPath!)), new Uint8Array(readFileSync(patchPath!))]
const begun = performance.now()
// What compiling the kernel takes is counted, too.
const content = by === 'kernel' ? applyByKernel(createPatchKernel(), old, patch) : applyPatch(old, patch, brotli)
const applied = performance.now()
if (content === null) throw new Error('the kernel leaves this patch to the decoder')
new WebAssembly.Module(content)
console.log(JSON.stringify({ applyMs: applied - begun, compileMs: performance.now() - applied }))
