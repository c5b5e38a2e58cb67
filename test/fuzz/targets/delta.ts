import { readFileSync } from 'node:fs'
import { bytesEqual } from '@hypha/core/bytes/text.ts'
import { applyByKernel, applyPatch } from '@hypha/core/delta/decoder.ts'
import { makePatch } from '@hypha/core/delta/make-patch.ts'
import { brotli } from '@hypha/core/platform/compress.ts'
import { createPatchKernel } from '../../../agent/sandbox/worker/patch-kernel.ts'
import { insist, outcome, reads, type Target } from '../target.ts'

const vectors = new URL('../../vectors/delta/', import.meta.url)
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`${name}.wasm`, vectors)))
const [old, now] = [read('frost-alarm-old'), read('frost-alarm-new')]
const made = (from: Uint8Array, to: Uint8Array): Uint8Array => makePatch(from, to, brotli).bytes
/** For a microcontroller. */
const small = (from: Uint8Array, to: Uint8Array): Uint8Array => makePatch(from, to, brotli, { profile: 'mcu' }).bytes

export const patchTarget: Target = {
  name: 'delta-patch',
  about: 'any bytes as a patch of a module',
  maxBytes: 4_096,
  short: 800,
  prepare: () => {
    const kernel = createPatchKernel()
    return {
      seeds: [
        made(old, now),
        made(old, old),
        made(old, Uint8Array.of(1, 2, 3)),
        small(old, now),
        small(now, old.slice(9)),
      ],
      run(input) {
        const result = reads(() => applyPatch(old, input, brotli))
        const quick = reads(() => applyByKernel(kernel, old, input))
        if ('value' in quick && quick.value !== null)
          insist('value' in result && bytesEqual(result.value, quick.value), 'the kernel makes another module')
        return outcome(result)
      },
    }
  },
}

export const patchBaseTarget: Target = {
  name: 'delta-base',
  about: 'any bytes as the old file of a patch',
  maxBytes: 8_192,
  short: 400,
  prepare: () => {
    const patches = [made(old, now), small(old, now)] as const
    return {
      seeds: [old],
      run(input) {
        const results = patches.map((patch) => {
          const result = reads(() => applyPatch(input, patch, brotli))
          if ('value' in result && bytesEqual(input, old))
            insist(bytesEqual(result.value, now), 'the right old file makes a wrong new one')
          return outcome(result)
        })
        return results.join(' ')
      },
    }
  },
}

export const patchMakeTarget: Target = {
  name: 'delta-make',
  about: 'any bytes as the new file to make a patch of',
  maxBytes: 8_192,
  short: 60,
  prepare: () => ({
    seeds: [now],
    run(input) {
      const { bytes, kind } = makePatch(old, input, brotli)
      insist(bytesEqual(applyPatch(old, bytes, brotli), input), 'the patch makes another file')
      insist(bytesEqual(applyPatch(old, small(old, input), brotli), input), 'the small patch makes another file')
      return kind
    },
  }),
}
