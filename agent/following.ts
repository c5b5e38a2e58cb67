/** Keeps one subscription for each app that is named, and ends those of the others. */
export function following(subscribe: (app: string) => () => void): (apps: readonly string[]) => void {
  const ends = new Map<string, () => void>()
  return (apps) => {
    for (const [app, end] of ends) {
      if (apps.includes(app)) continue
      ends.delete(app)
      end()
    }
    for (const app of apps) if (!ends.has(app)) ends.set(app, subscribe(app))
  }
}
