import { readFileSync } from 'node:fs'
import { cruise, type ICruiseResult } from 'dependency-cruiser'

export interface ArrowReport {
  /** How many files of the project were read; 0 would mean that the check saw nothing. */
  modules: number
  /** One line for each forbidden import. */
  breaches: string[]
}

/** Holds the imports of a tree against the rules in `.dependency-cruiser.json`. */
export async function checkArrows(root: string, folders: string[]): Promise<ArrowReport> {
  const rules = JSON.parse(readFileSync(new URL('../../.dependency-cruiser.json', import.meta.url), 'utf8'))
  const { output } = await cruise(
    folders,
    { ...rules.options, baseDir: root, validate: true, ruleSet: { forbidden: rules.forbidden } },
    rules.options.enhancedResolveOptions,
  )
  const result = output as ICruiseResult
  return {
    modules: result.modules.filter((module) => /\.ts$/.test(module.source) && !module.source.includes('node_modules'))
      .length,
    breaches: result.summary.violations.map(({ from, to, rule }) => `${rule.name}: ${from} → ${to}`),
  }
}

if (import.meta.main) {
  const { modules, breaches } = await checkArrows(process.cwd(), ['src', 'agent', 'gateway', 'firmware-bridge'])
  for (const breach of breaches) console.error(breach)
  console.log(`${modules} files, ${breaches.length} forbidden imports`)
  // A check that read nothing must not pass: some releases of TypeScript make the tool read no file at all.
  process.exitCode = breaches.length === 0 && modules > 20 ? 0 : 1
}
