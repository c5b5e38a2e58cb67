import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

/**
 * Bundles the agent into a folder that needs nothing but Node: main.js, the cells' worker and the helper, with what they share in chunks. What mqtt.js
 * brings for browsers, proxies and its command line is left out: a node speaks MQTT over TLS and nothing else.
 *
 * @returns bytes of all files.
 */
export async function bundleAgent(outdir: string): Promise<number> {
  rmSync(outdir, { recursive: true, force: true })
  const { metafile } = await build({
    entryPoints: {
      main: join(import.meta.dirname, 'main.ts'),
      'worker/main': join(import.meta.dirname, 'sandbox/worker/main.ts'),
      'helper/main': join(import.meta.dirname, 'helper/main.ts'),
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
    legalComments: 'none',
    chunkNames: 'chunk-[hash]',
    // Dependencies in CommonJS ask for Node's modules with require, which an ES module has to make.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    alias: { 'cbor-x': 'cbor-x/index-no-eval' },
    plugins: [
      {
        name: 'leave-out',
        setup(build) {
          build.onResolve({ filter: leftOut }, ({ path }) => ({ path, namespace: 'empty' }))
          build.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {}', loader: 'js' }))
        },
      },
    ],
  })
  return Object.values(metafile.outputs).reduce((sum, { bytes }) => sum + bytes, 0)
}

const leftOut = /^(ws|socks|help-me|commist|minimist|concat-stream|split2|cbor-extract)$/

if (import.meta.main) {
  const outdir = process.argv[2] ?? join(import.meta.dirname, '../dist/agent')
  console.log(`${outdir}: ${Math.round((await bundleAgent(outdir)) / 1024)} KiB`)
}
