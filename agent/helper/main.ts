import { argv } from 'node:process'

// One program for all kinds of process beside the agent, so that a bundle has one file for them:
//
//   helper/main HOME SOCKET              the helper itself
//   helper/main database FILE MAX-BYTES  one app's database, started by the helper
//   helper/main components               one cell of modules without a core form, started by the helper

const [, , first = '', second = '', third = ''] = argv
if (first === 'database')
  await import('./database.ts').then(({ serveDatabase }) => serveDatabase(second, Number(third)))
else if (first === 'components') await import('./component.ts').then(({ serveComponents }) => serveComponents())
else await import('./server.ts').then(({ serveHelper }) => serveHelper(first, second))
