import type { KernelJob, PatchKernel } from '@hypha/core/ports/patch-kernel.ts'
import { patchKernelWasm } from './patch-kernel-wasm.ts'

/** Old and new together: beyond, it would take more memory than a node should give. */
const mostBytes = 24 * 1024 * 1024

interface Exports {
  readonly memory: WebAssembly.Memory
  room(bytes: number): number
  result(): number
  apply(...given: number[]): number
}

/** The kernel of agent/sandbox/patch-kernel: it is compiled once, and has a memory of its own for each patch. */
export function createPatchKernel(): PatchKernel {
  const module = new WebAssembly.Module(Buffer.from(patchKernelWasm, 'base64'))
  return {
    apply(job) {
      if (job.base.length + job.patch.length > mostBytes) return null
      try {
        return applyIn(new WebAssembly.Instance(module, {}).exports as unknown as Exports, job)
      } catch (error) {
        // It ends so for all that it doesn't do, a patch that is malformed included; a RangeError says that there is no memory for it.
        if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) return null
        throw error
      }
    },
  }
}

function applyIn(kernel: Exports, { base, patch, prior, tableBits, maxBytes }: KernelJob): Uint8Array<ArrayBuffer> {
  const given = [base, patch, prior].flatMap((bytes) => {
    const at = kernel.room(bytes.length)
    new Uint8Array(kernel.memory.buffer).set(bytes, at)
    return [at, bytes.length]
  })
  const most = Math.min(maxBytes, mostBytes)
  const length = kernel.apply(...given, tableBits, most)
  return new Uint8Array(kernel.memory.buffer).slice(kernel.result(), kernel.result() + length)
}
