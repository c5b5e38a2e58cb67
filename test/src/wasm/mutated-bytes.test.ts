import { HyphaError } from '@hypha/core/errors.ts'
import { analyse } from '@hypha/core/wasm/analyse.ts'
import { parseCore } from '@hypha/core/wasm/core.ts'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { echoComponent, echoText, wat } from '../../support/wasm-guest.ts'
import { everyKind } from '../../support/wasm-types.ts'

const types = everyKind.slice(-16)
let component: Uint8Array
let core: Uint8Array

beforeAll(async () => {
  component = await echoComponent(types)
  core = await wat(echoText(types))
})

/** Bytes with a few places overwritten, and perhaps cut. */
function mutated(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const place = fc.tuple(fc.nat(bytes.length - 1), fc.oneof(fc.nat(255), fc.constantFrom(0x00, 0x7f, 0x80, 0xff)))
  return fc
    .tuple(fc.array(place, { minLength: 1, maxLength: 4 }), fc.option(fc.nat(bytes.length)))
    .map(([places, cut]) => {
      const copy = bytes.slice(0, cut ?? bytes.length)
      for (const [at, byte] of places) if (at < copy.length) copy[at] = byte
      return copy
    })
}

/** Accepts or refuses; anything else than a HyphaError fails the property. */
function decided(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof HyphaError) || error.code === 'internal') throw error
  }
}

describe('bytes that someone has tampered with are accepted or refused, and nothing else happens', () => {
  it('in a component', () => {
    fc.assert(
      fc.property(mutated(component), (bytes) => decided(() => analyse(bytes))),
      { numRuns: 3000 },
    )
  })

  it('in a core module', () => {
    fc.assert(
      fc.property(mutated(core), (bytes) => decided(() => parseCore(bytes))),
      { numRuns: 3000 },
    )
  })

  it('at each of the first 600 bytes of a component', () => {
    for (let at = 0; at < 600; at++) {
      for (const byte of [0x00, 0x01, 0x40, 0x7f, 0x80, 0xff]) {
        const copy = component.slice()
        copy[at] = byte
        decided(() => analyse(copy))
      }
    }
  })

  it('cut at any place', () => {
    for (let end = 0; end < component.length; end += 7) decided(() => analyse(component.subarray(0, end)))
  })
})

describe('bytes that are small but mean much', () => {
  const preamble = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]

  it('a type that doubles with each of 60 definitions is refused by its size', () => {
    // Type 0 is `tuple<u8, u8>`, type n is `tuple<n-1, n-1>`: 2^60 parts in 200 bytes.
    const types = Array.from({ length: 60 }, (_, index) =>
      index === 0 ? [0x6f, 2, 0x7d, 0x7d] : [0x6f, 2, index - 1, index - 1],
    ).flat()
    const bytes = Uint8Array.from([
      ...preamble,
      7,
      0x80 | ((types.length + 1) & 0x7f),
      (types.length + 1) >> 7,
      60,
      ...types,
    ])
    expect(() => analyse(bytes)).toThrow(/more than 4096 parts/)
  })

  it('components nested in components are refused by their depth', () => {
    let bytes: number[] = [...preamble]
    for (let depth = 0; depth < 12; depth++)
      bytes = [...preamble, 4, 0x80 | (bytes.length & 0x7f), bytes.length >> 7, ...bytes]
    expect(() => analyse(Uint8Array.from(bytes))).toThrow(/nested deeper than 8/)
  })

  it('a core instance that exports a function not yet defined cannot make a circle', () => {
    const bytes = Uint8Array.from([...preamble, 2, 7, 1, 0x01, 1, 1, 0x61, 0x00, 0x00])
    expect(() => analyse(bytes)).toThrow(/core function 0 is not defined/)
  })
})
