import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'

/**
 * What stands in for packages that mqtt.js brings for browsers, proxies, WebSockets and its command line: a node speaks MQTT 3.1.1 over TLS and
 * nothing else. Of what is left empty nothing is ever called.
 */
const standIns: Readonly<Record<string, string>> = {
  // Node's own is the newer of the same code.
  'readable-stream': "module.exports = require('node:stream')",
  'worker-timers': 'module.exports = { setInterval, clearInterval }',
  debug: 'module.exports = () => () => {}',
  // Topic aliases are of MQTT 5.
  'lru-cache': 'module.exports = {}',
  ws: 'module.exports = {}',
  socks: 'module.exports = {}',
  'cbor-extract': 'module.exports = {}',
}

const leaveOut: Plugin = {
  name: 'leave-out',
  setup({ onResolve, onLoad }) {
    const names = new RegExp(`^(${Object.keys(standIns).join('|')})$`)
    onResolve({ filter: names }, ({ path }) => ({ path, namespace: 'stand-in' }))
    onLoad({ filter: /.*/, namespace: 'stand-in' }, ({ path }) => ({ contents: standIns[path]!, loader: 'js' }))
    // mqtt.js reads its version from there.
    onLoad({ filter: /node_modules\/mqtt\/package\.json$/ }, () => ({ contents: '{"version":""}', loader: 'json' }))
  },
}

/**
 * An `import` of a module of Node reads everything that it exports, and with that loads what else would be loaded when it is used: standard input,
 * Web Crypto, streams of files. Asked for this way, nothing is read before its use (docs/adr/0011-agent-footprint.md).
 */
const builtins: Plugin = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^(node:.*|${builtinModules.join('|')})$`) }, ({ path }) => ({
      path: path.startsWith('node:') ? path : `node:${path}`,
      namespace: 'builtin',
    }))
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}')`,
      loader: 'js',
    }))
  },
}

/**
 * Bundles the agent into a folder that needs nothing but Node: main.js, the workers for cells and for patches and the helper, with what they share in chunks. `version` is what it says of itself,
 * by default that of the package.
 *
 * @returns bytes of all files.
 */
export async function bundleAgent(outdir: string, version = packageVersion()): Promise<number> {
  rmSync(outdir, { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: import.meta.dirname,
    entryPoints: {
      main: 'main.ts',
      'worker/main': 'sandbox/worker/main.ts',
      'worker/patch': 'sandbox/worker/patch.ts',
      'helper/main': 'helper/main.ts',
    },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    // It stands beside the bundle on nodes that run components, and is loaded only there.
    external: ['@bytecodealliance/jco-transpile/component'],
    target: 'node24',
    minify: true,
    metafile: true,
    define: { HYPHA_AGENT_VERSION: JSON.stringify(version) },
    legalComments: 'none',
    chunkNames: 'chunk-[hash]',
    plugins: [leaveOut, builtins],
  })
  // Node needn't find out that these are ES modules, and whoever releases the folder reads what it is.
  writeFileSync(join(outdir, 'package.json'), `${JSON.stringify({ type: 'module', version })}\n`)
  return Object.values(metafile.outputs).reduce((sum, { bytes }) => sum + bytes, 0)
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8')) as { version: string }).version
}

// node agent/bundle.ts [FOLDER] [VERSION]
if (import.meta.main) {
  const [, , outdir = join(import.meta.dirname, '../dist/agent'), version] = process.argv
  console.log(`${outdir}: ${Math.round((await bundleAgent(outdir, version)) / 1024)} KiB`)
}
