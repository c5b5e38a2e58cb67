import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import type { LinkHint } from '@hypha/core/trust/release.ts'
import { expect, test } from 'vitest'
import { describeModule, makeRelease } from '../../../gateway/push/release.ts'
import { makeModule } from '../../support/signed.ts'
import { componentOf, wat } from '../../support/wasm-guest.ts'

const calls = async (wanted: string) =>
  componentOf(
    await wat(
      `(module (import "acme:app/${wanted}@0.1.0" "run" (func $run)) (memory (export "memory") 1) (func (export "hypha:module/lifecycle@0.1.0#start") (call $run)) (func (export "hypha:module/lifecycle@0.1.0#stop")))`,
    ),
    `package acme:app@0.1.0; interface ${wanted} { run: func(); }
world w { import ${wanted}; export hypha:module/lifecycle@0.1.0; }
package hypha:module@0.1.0 { interface lifecycle { start: func(); stop: func(); } }`,
  )

const hint = (name: string): LinkHint => ({
  interface: name,
  policy: 'drop',
  deadlineMs: null,
  ratePerS: 2,
  bytesPerCall: null,
})

const moduleOf = async (wanted: string, links: LinkHint[] | null = null) => ({
  name: 'smooth',
  component: await calls(wanted),
  spec: { ...makeModule().spec, links },
})

const refusal = (run: () => unknown): HyphaError => {
  try {
    run()
  } catch (error) {
    if (error instanceof HyphaError) return error
    throw error
  }
  throw new Error('it was accepted')
}

test('A hint without a version is of the version that the module imports', async () => {
  const { described } = describeModule(await moduleOf('advice', [hint('acme:app/advice')]), nodeCrypto)
  expect(described.spec.links).toEqual([hint('acme:app/advice@0.1.0')])
  const again = { ...(await moduleOf('advice')), spec: described.spec }
  expect(describeModule(again, nodeCrypto).described).toEqual(described)
})

test('A hint for what the module does not import is refused with the import that was meant', async () => {
  const module = await moduleOf('advice', [hint('acme:app/advise')])
  const error = refusal(() => describeModule(module, nodeCrypto))
  expect([error.code, error.mend]).toEqual(['link-hint-unknown', 'Did you mean "acme:app/advice"?'])
  expect(error.message).toBe("smooth: hypha.toml has a link for acme:app/advise, which it doesn't import")
})

test('Modules that do not fit together are refused before anything is signed', async () => {
  const wanted = { fleet: 'garden', app: 'plants', number: 1, label: '', createdMs: 0, floor: 0 }
  const module = await moduleOf('advice')
  const error = refusal(() => makeRelease({ ...wanted, modules: [module] }, nodeCrypto))
  expect(error.code).toBe('link-unresolvable')
  expect(error.message).toBe(
    "The modules of plants don't fit together: smooth imports acme:app/advice@0.1.0, which neither the host nor a module of the app provides",
  )
})
