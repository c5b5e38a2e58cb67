const { main } = await import('./admin/cli/program.ts')
process.exitCode = await main(process.argv.slice(2))
// A gateway that failed to start may have opened what would keep the process.
if (process.exitCode !== 0) process.exit()
