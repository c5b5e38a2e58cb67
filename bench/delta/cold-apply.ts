// Applies a patch once in a process of its own, as an agent does, and compiles what comes out: node cold-apply.ts OLD PATCH
import { readFileSync } from 'node:fs'
import { applyPatch } from '@hypha/core/delta/decoder.ts'
import { brotli } from '@hypha/core/platform/compress.ts'

const [oldPath, patchPath] = process.argv.slice(2)
const [old, patch] = [new Uint8Array(readFileSync(oldPath!)), new Uint8Array(readFileSync(patchPath!))]
const begun = performance.now()
const content = applyPatch(old, patch, brotli)
const applied = performance.now()
new WebAssembly.Module(content)
console.log(JSON.stringify({ applyMs: applied - begun, compileMs: performance.now() - applied }))
