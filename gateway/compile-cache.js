import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

// Reading TypeScript again at each start would cost more than most commands: what is imported dynamically from here on is cached. The cache lies in the user's own
// folder, not in the one for temporary files: whoever can write to it decides what this program does with keys.
enableCompileCache(join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'hypha', 'compile'))
