/** Whether an interface that is provided serves one that is imported, both by versioned name: `hypha:host/sensor@0.1.0`. */
export function serves(provided: string, imported: string): boolean {
  if (provided === imported) return true
  // Most interfaces that are compared are others: that shows before anything is parsed.
  if (!provided.startsWith(imported.slice(0, imported.indexOf('@') + 1))) return false
  const have = splitVersion(provided)
  const need = splitVersion(imported)
  if (have.name !== need.name || have.version === null || need.version === null) return false
  const [haveMajor, haveMinor, havePatch] = have.version
  const [needMajor, needMinor, needPatch] = need.version
  if (haveMajor !== needMajor) return false
  // Semantic Versioning 2.0.0, clause 4, as package managers read it: below 1.0.0 the leftmost number that isn't 0 marks what breaks.
  if (needMajor > 0) return haveMinor > needMinor || (haveMinor === needMinor && havePatch >= needPatch)
  if (haveMinor !== needMinor) return false
  return needMinor > 0 ? havePatch >= needPatch : havePatch === needPatch
}

/**
 * An interface's name with as much of its version as tells what fits: versions that differ in the rest serve one another as far as functions agree. Semantic Versioning 2.0.0, clause 4, as package
 * managers read it: below 1.0.0 the leftmost number that isn't 0 marks what breaks.
 */
export function versionTrack(name: string): string {
  const match = /^(.*)@(\d+)\.(\d+)\.(\d+)([-+].*)?$/.exec(name)
  if (match === null) return name
  const [, bare, major, minor, patch, rest = ''] = match
  // A version before a release fits nothing but itself.
  if (rest.startsWith('-')) return `${bare}@${major}.${minor}.${patch}${rest}`
  if (major !== '0') return `${bare}@${major}`
  return minor !== '0' ? `${bare}@0.${minor}` : `${bare}@0.0.${patch}`
}

/** An interface's name without its version. */
export const bareName = (versioned: string): string => splitVersion(versioned).name

function splitVersion(versioned: string): { name: string; version: readonly [number, number, number] | null } {
  const match = /^(.*)@(\d+)\.(\d+)\.(\d+)$/.exec(versioned)
  if (!match) return { name: versioned, version: null }
  return { name: match[1]!, version: [Number(match[2]), Number(match[3]), Number(match[4])] }
}
