import { argv } from 'node:process'

// One program for all kinds of process beside the agent, so that a bundle has one file for them:
//
//   helper/main HOME SOCKET              the helper itself
//   helper/main database FILE MAX-BYTES  one app's database, started by the helper
//   helper/main run                      one cell of modules without a core form, started by the helper
//   helper/main transpile                takes such a module apart, started by the helper

const [, , first = '', second = '', third = ''] = argv
if (first === 'database')
  await import('./database.ts').then(({ serveDatabase }) => serveDatabase(second, Number(third)))
else if (first === 'run') await import('./component.ts').then(({ runCell }) => runCell())
else if (first === 'transpile') await import('./component.ts').then(({ transpileOne }) => transpileOne())
else await import('./server.ts').then(({ serveHelper }) => serveHelper(first, second))
