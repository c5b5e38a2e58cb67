#!/usr/bin/env node
import './compile-cache.js'

const { main } = await import('./admin/cli/program.ts')
process.exitCode = await main(process.argv.slice(2))
