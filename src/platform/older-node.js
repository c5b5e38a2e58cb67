// @ts-check
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

// In JavaScript that Node 20 understands: it is what runs when Hypha's programs are started with a Node that can't read TypeScript.

/** Whether this Node runs Hypha as it is. */
export const isCurrent = Number(process.versions.node.split('.')[0]) >= 24

/**
 * Runs a program again on the Node that `npm ci` has put beside it, with the same arguments, and ends as it ends.
 *
 * @param {string} program its path
 */
export function handOver(program) {
  for (let folder = dirname(program); folder !== dirname(folder); folder = dirname(folder)) {
    const node = join(folder, 'node_modules', '.bin', 'node')
    if (!existsSync(node)) continue
    const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: 'inherit' })
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => child.kill(signal))
    child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1))
    return
  }
  process.stderr.write(
    `Hypha needs Node 24 or newer; this is ${process.versions.node}. Run npm ci in its folder: that brings one.\n`,
  )
  process.exit(1)
}
