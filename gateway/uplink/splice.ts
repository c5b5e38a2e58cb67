import type { Duplex } from 'node:stream'

/** Makes one stream of two: what one says the other gets, no faster than it takes it, and they end together. */
export function splice(a: Duplex, b: Duplex): void {
  const end = () => {
    a.destroy()
    b.destroy()
  }
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on('error', end)
    from.on('close', end)
    from.pipe(to)
  }
  if (a.destroyed || b.destroyed) end()
}
