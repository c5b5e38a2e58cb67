import { checkRelease, checkSection, filesFor } from '@hypha/core/trust/shape.ts'
import { describe, expect, it } from 'vitest'
import {
  artifact,
  expectCode,
  identity,
  makeModule,
  makeRelease,
  makeSection,
  signRelease,
} from '../../support/signed.ts'

const program = Uint8Array.of(1, 2, 3)
const file = (arch: string | null, name = 'agent') => ({ name, arch, artifact: artifact(program) })
const agent = (changes = {}) => makeRelease({ app: 'hypha-agent', modules: [], files: [file(null)], ...changes })

describe('releases of the agent itself', () => {
  it('have files and no modules, and no other app has files', () => {
    expect(() => checkRelease(agent())).not.toThrow()
    const wrong = [
      agent({ files: null }),
      agent({ files: [] }),
      agent({ modules: [makeModule()] }),
      agent({ files: [file(null), file(null)] }),
      makeRelease({ files: [file(null)] }),
      makeRelease({ files: [] }),
      makeRelease({ app: 'hypha-agent' }),
    ]
    for (const release of wrong) expectCode('metadata-invalid', () => checkRelease(release))
  })

  it('may have one file for each architecture, of which a node is meant by its own', () => {
    const release = agent({ files: [file(null), file('x64', 'node'), file('arm64', 'node')] })
    expect(() => checkRelease(release)).not.toThrow()
    expect(filesFor(release, 'arm64').map(({ name, arch }) => `${name} ${arch}`)).toEqual(['agent null', 'node arm64'])
  })

  it('list what a section may carry, to the byte', () => {
    const envelope = signRelease(agent())
    const section = (bytes: Uint8Array, changes = {}) =>
      makeSection(agent(), envelope, { contents: [identity(envelope), { ...identity(bytes), ...changes }] })
    expect(() => checkSection(section(program), agent())).not.toThrow()
    expectCode('content-unlisted', () => checkSection(section(Uint8Array.of(9)), agent()))
    expectCode('size-mismatch', () => checkSection(section(program, { size: 4 }), agent()))
  })

  it('have nothing that could run as an instance', () => {
    const instances = [{ module: 'agent', home: null, form: 'core' as const, links: [], config: {} }]
    expectCode('content-unlisted', () =>
      checkSection(makeSection(agent(), signRelease(agent()), { instances, contents: [] }), agent()),
    )
  })
})
