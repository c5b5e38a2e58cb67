#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// Reading TypeScript again at each start would cost more than most commands. The cache lies in the user's own folder, not in the one for temporary files: whoever can
// write to it decides what this program does with keys.
enableCompileCache(join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'hypha', 'compile'))

// Only what is imported from here on is cached.
const { main } = await import('./admin/cli/program.ts')
process.exitCode = await main(process.argv.slice(2))
