import type { HostContext, HostFunctions } from './host.ts'

/** `hypha:host/config`. */
export function configFunctions({ config }: HostContext): HostFunctions {
  return { get: (key: string) => config.get(key) }
}
