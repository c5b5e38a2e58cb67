import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const project = resolve(import.meta.dirname, '../..')

/** "4.2" for each numbered clause of a page. */
function clausesOf(page: string): Set<string> {
  const clauses = new Set<string>()
  let chapter = ''
  for (const line of readFileSync(join(project, 'docs', page), 'utf8').split('\n')) {
    chapter = /^## (\d+)\./.exec(line)?.[1] ?? chapter
    const clause = /^(\d+)\. /.exec(line)?.[1]
    if (clause !== undefined) clauses.add(`${chapter}.${clause}`)
  }
  return clauses
}

function citations(letter: string): { file: string; clause: string }[] {
  return ['src', 'agent', 'gateway', 'firmware-bridge'].flatMap((folder) =>
    readdirSync(join(project, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .flatMap((name) => {
        const text = readFileSync(join(project, folder, name), 'utf8')
        return [...text.matchAll(new RegExp(`\\b${letter} (\\d+\\.\\d+)\\b`, 'g'))].map(([, clause]) => ({
          file: `${folder}/${name}`,
          clause: clause!,
        }))
      }),
  )
}

it.each([
  ['protocol.md', 'P', 20],
  ['serial.md', 'S', 10],
])('every clause of %s that the code cites is there', (page, letter, atLeast) => {
  const clauses = clausesOf(page)
  const cited = citations(letter)
  expect(cited.length).toBeGreaterThanOrEqual(atLeast)
  expect(cited.filter(({ clause }) => !clauses.has(clause))).toEqual([])
})
