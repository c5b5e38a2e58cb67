/** What a patch of a core module is applied to, and with. */
export interface KernelJob {
  readonly base: Uint8Array
  /** Without its first byte. */
  readonly patch: Uint8Array
  /** What the coder knows beforehand, in base64 [D 3.8]. */
  readonly prior: Uint8Array
  /** Cells of the coder's table, as a power of two [D 2.2]. */
  readonly tableBits: number
  /** More than this never comes out. */
  readonly maxBytes: number
}

/** Applies patches of core modules faster than the decoder in TypeScript, where the platform has something for it. */
export interface PatchKernel {
  /** What the decoder would make; null for whatever it doesn't do, or wouldn't end well. */
  apply(job: KernelJob): Uint8Array<ArrayBuffer> | null
}
