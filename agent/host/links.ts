import { err, type HostContext, type HostFunctions, ok } from './host.ts'

/** `hypha:host/links`. */
export function linksFunctions({ key, turn, ask }: HostContext): HostFunctions {
  // Asked each time: devices come and go while the module runs.
  const devices = (): readonly string[] => ask({ interface: 'links', func: 'devices', args: [] }) as readonly string[]
  return {
    target(id: string) {
      // A device's own instance speaks for that device and no other.
      const known = key.home === null ? devices().includes(id) : id === key.home
      if (!known) return err('unknown-device')
      turn.target = id
      return ok()
    },
    home: () => turn.home ?? undefined,
    devices,
  }
}
