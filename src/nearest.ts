/** The one of `known` that is spelled most like `word`; null where none is near. */
export function nearest(word: string, known: readonly string[]): string | null {
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .sort((a, b) => a.distance - b.distance)
  const [best] = ranked
  return best !== undefined && best.distance <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : null
}

/** Levenshtein's distance; words are cut at 64 characters. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: Math.min(b.length, 64) + 1 }, (_, index) => index)
  for (const [i, charA] of [...a.slice(0, 64)].entries()) {
    const next = [i + 1]
    for (const [j, charB] of [...b.slice(0, 64)].entries()) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (charA === charB ? 0 : 1)))
    }
    row = next
  }
  return row.at(-1)!
}
