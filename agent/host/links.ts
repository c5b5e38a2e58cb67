import { err, type HostContext, type HostFunctions, ok } from './host.ts'

/** `hypha:host/links`. Calls stay on their node for now: the only device that can be meant is the instance's own. */
export function linksFunctions({ key: { home } }: HostContext): HostFunctions {
  return {
    target: (id: string) => (id === home ? ok() : err('unknown-device')),
    home: () => home ?? undefined,
    devices: () => (home === null ? [] : [home]),
  }
}
