import type { Travel } from '../api/schemas/apps.ts'

const bytes = (count: number): string => `${count.toLocaleString('en')} B`

/** A line for each form in which a module came to nodes. */
export function travelLines(travels: readonly Travel[]): string[] {
  return travels.map(({ module, bytes: size, encoding, sent, nodes }) => {
    const form = { patch: `patch of ${bytes(sent)}`, brotli: `${bytes(sent)} compressed`, identity: 'sent as it is' }
    return `${module}: ${form[encoding]} for ${bytes(size)}, to ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`
  })
}
