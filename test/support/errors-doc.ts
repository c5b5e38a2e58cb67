import { writeFileSync } from 'node:fs'
import { type Actor, errorTable, exitCodes } from '@hypha/core/errors.ts'

const actors: Readonly<Record<Actor, string>> = {
  caller: 'whoever called',
  author: "the app's author",
  operator: "the fleet's operator",
  later: 'nobody: try again',
  peer: 'nobody: a peer misbehaved',
  hypha: 'us: a defect',
}

/** `docs/errors.md`, made from the table in the code. */
export function errorsDocument(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { act, means, mend }]) => `| \`${code}\` | ${means} | ${mend} | ${actors[act]} | ${exitCodes[act]} |`,
  )
  return `# Errors

Every error that Hypha tells a person or a peer has a code from this table: on the command line, in the HTTP API's answers
(\`{"code", "message", "where", "mend"}\`), and in what nodes report. A code is never reused for another meaning. The message says what was wrong
in that case; the last column is the exit code of a command that ends with it (0: done).

This page is made from \`src/errors.ts\` by \`npm run fix\`; a test keeps them equal.

| code | means | what to do | who acts | exit code |
|---|---|---|---|---|
${rows.join('\n')}
`
}

if (import.meta.main) writeFileSync(new URL('../../docs/errors.md', import.meta.url), errorsDocument())
