import type { RunnableSection } from '../turns.ts'
import type { CellSpec } from './turn-runner.ts'

type Instances = Pick<CellSpec, 'instances'>

/**
 * The order in which an app's cells end: each after those whose running turns may call it still, so that they are answered to the end. Cells that call one another in a circle end together. Pure. [P 13.8]
 */
export function callersFirst<T extends { readonly spec: Instances }>(
  section: RunnableSection,
  cells: readonly T[],
): T[][] {
  const levels: T[][] = []
  let left = [...cells]
  while (left.length > 0) {
    const uncalled = left.filter(
      (cell) => !left.some((other) => other !== cell && calls(section, other.spec, cell.spec)),
    )
    const level = uncalled.length > 0 ? uncalled : left
    levels.push(level)
    left = left.filter((cell) => !level.includes(cell))
  }
  return levels
}

function calls({ instances }: RunnableSection, from: Instances, to: Instances): boolean {
  const callers = new Set(from.instances.map(({ key }) => nameOf(key)))
  const callees = new Set(to.instances.map(({ key }) => nameOf(key)))
  const modules = new Set(to.instances.map(({ key }) => key.module))
  return instances
    .filter((each) => callers.has(nameOf(each)))
    .some(({ links }) =>
      [...links.values()].some((provider) =>
        provider.kind === 'instance'
          ? callees.has(nameOf(provider))
          : provider.kind === 'device' && modules.has(provider.module),
      ),
    )
}

const nameOf = ({ module, home }: { readonly module: string; readonly home: string | null }): string =>
  `${module}@${home ?? ''}`
