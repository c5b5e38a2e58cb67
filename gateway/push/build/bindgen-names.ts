/** `rate-limit` → `RateLimit` */
export const pascal = (name: string): string =>
  name.replace(/(^|-)([a-zA-Z0-9])/g, (_, __, letter: string) => letter.toUpperCase())

/** `rate-limit` → `rateLimit` */
export function camel(name: string): string {
  const upper = pascal(name)
  return upper[0]!.toLowerCase() + upper.slice(1)
}

/** `rate-limit` → `rate_limit` */
export const snake = (name: string): string => name.replaceAll(/[-:/.]/g, '_').toLowerCase()

/** `hypha:host/sensor@0.1.0` → `hypha/host/sensor`: where the bindings of an interface lie, in every language. */
export const bindingPath = (id: string): string => id.replace(/@.*$/, '').replace(':', '/')

/** Comment lines with their marks; empty where there are no comments. */
export function docLines(docs: string, indent = ''): string[] {
  if (docs === '') return []
  const lines = docs.split('\n')
  if (lines.length === 1) return [`${indent}/** ${lines[0]} */`]
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`]
}
