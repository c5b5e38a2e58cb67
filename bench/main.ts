// Runs one benchmark: node bench/main.ts NAME [--quick] [--nodes N] [--pairs FILE] [--json]
import { readdir } from 'node:fs/promises'
import { cpus, release, type } from 'node:os'
import { parseArgs } from 'node:util'
import type { Bench, BenchResult } from './bench.ts'

const help = new Set(['bench.ts', 'main.ts'])

async function benchNames(): Promise<string[]> {
  const files = await readdir(import.meta.dirname)
  return files.filter((file) => file.endsWith('.ts') && !help.has(file)).map((file) => file.slice(0, -'.ts'.length))
}

function machine(): Record<string, string | number> {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    node: process.versions.node,
    os: `${type()} ${release()} ${process.arch}`,
  }
}

/** Four significant digits, without a decimal part that says nothing. */
function shown(value: number | null): string {
  if (value === null) return '—'
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)))
}

function print(result: BenchResult): void {
  const line = (entries: Readonly<Record<string, string | number>>): string =>
    Object.entries(entries)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')
  console.log(`${result.bench}: ${line(result.sizes)}`)
  console.log(`on ${line(machine())}`)
  if (Object.keys(result.peers).length > 0) console.log(`against ${line(result.peers)}`)
  const width = Math.max(...Object.keys(result.figures).map((name) => name.length))
  for (const [name, value] of Object.entries(result.figures)) {
    const reason = result.missing?.[name]
    console.log(`  ${name.padEnd(width)}  ${shown(value).padStart(10)}${reason === undefined ? '' : `  (${reason})`}`)
  }
}

const names = (await benchNames()).sort()
const usage = `Usage: npm run bench -- NAME [--quick] [--nodes N] [--pairs FILE] [--json], where NAME is one of: ${names.join(', ')}`

interface Arguments {
  readonly name: string | undefined
  readonly quick: boolean
  readonly json: boolean
  readonly help: boolean
  readonly nodes: number | null
  readonly pairs: string | null
}

function readArguments(): Arguments | null {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        nodes: { type: 'string' },
        pairs: { type: 'string' },
      },
    })
    const nodes = values.nodes === undefined ? null : Number(values.nodes)
    if (nodes !== null && !(Number.isInteger(nodes) && nodes > 0)) throw new Error('--nodes should be a number above 0')
    return { name: positionals[0], ...values, nodes, pairs: values.pairs ?? null }
  } catch (error) {
    console.error((error as Error).message)
    return null
  }
}

const given = readArguments()
if (given?.help) console.log(usage)
else if (given?.name === undefined || !names.includes(given.name)) {
  console.error(usage)
  process.exitCode = 2
} else {
  const { run } = (await import(`./${given.name}.ts`)) as Bench
  const result = await run({ quick: given.quick, nodes: given.nodes, pairs: given.pairs })
  print(result)
  if (given.json) console.log(JSON.stringify({ ...result, machine: machine() }))
}
