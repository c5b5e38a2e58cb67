import { argv } from 'node:process'

// One program for two kinds of process, so that a bundle has one file for both:
//
//   helper/main HOME SOCKET              the helper itself
//   helper/main database FILE MAX-BYTES  one app's database, started by the helper

const [, , first = '', second = '', third = ''] = argv
if (first === 'database')
  await import('./database.ts').then(({ serveDatabase }) => serveDatabase(second, Number(third)))
else await import('./server.ts').then(({ serveHelper }) => serveHelper(first, second))
