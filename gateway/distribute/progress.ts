import { type Progress, progress } from '@hypha/core/wire/messages/progress.ts'

/** How much of a release each node holds, as it last said; in memory only, for a node says it again. */
export function createProgress(maxAppsPerNode = 64) {
  const nodes = new Map<string, Map<string, Progress>>()
  return {
    /** Bytes of `up/progress` from a node. Throws `message-malformed`. */
    onProgress(node: string, bytes: Uint8Array): void {
      const decoded = progress.decode(bytes)
      const apps = nodes.get(node) ?? new Map<string, Progress>()
      if (apps.size >= maxAppsPerNode && !apps.has(decoded.app)) return
      nodes.set(node, apps.set(decoded.app, decoded))
    },
    get: (node: string, app: string): Progress | null => nodes.get(node)?.get(app) ?? null,
    forget: (node: string): void => void nodes.delete(node),
  }
}
