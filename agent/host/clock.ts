import type { HostContext, HostFunctions } from './host.ts'

/** `hypha:host/clock`. */
export function clockFunctions(context: HostContext): HostFunctions {
  return {
    now: () => BigInt(Math.trunc(context.now())),
    monotonic: () => BigInt(Math.trunc(context.monotonic() * 1_000_000)),
  }
}
