import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { TypeNames, valueName } from '../../../gateway/push/build/assemblyscript-types.ts'
import { exportedName } from '../../../gateway/push/build/bindgen-assemblyscript.ts'
import { cPrefix } from '../../../gateway/push/build/bindgen-c.ts'
import { snake } from '../../../gateway/push/build/bindgen-names.ts'
import { buildApp } from '../../../gateway/push/build/build.ts'
import { CTypes, cValueName } from '../../../gateway/push/build/c-types.ts'
import { sdkWitDirs } from '../../../gateway/push/build/sdk.ts'
import { loadWit, type WitInterface } from '../../../gateway/push/build/wit.ts'
import { witValue } from '../../support/wasm-types.ts'
import { appOf, folderForFile } from './app-folder.ts'
import { startGuest } from './guest.ts'

// A module in each language that imports an interface with all kinds of types and exports the same: what goes in must come to the host
// unchanged, and what the host answers must come out unchanged.

const functions = `
  numbers: func(a: bool, b: u8, c: s8, d: u16, e: s16, f: u32, g: s32, h: u64, i: s64, j: f32, k: f64, l: char) -> tuple<bool, s8, u16, s32, u64, f32, f64, char>;
  text: func(a: string, b: list<u8>, c: list<string>) -> string;
  blob: func(a: list<u8>) -> list<u8>;
  lists: func(a: list<f64>, b: list<list<u16>>, c: list<place>) -> list<list<u16>>;
  places: func(a: place, b: option<place>) -> list<place>;
  colours: func(a: colour, b: list<colour>) -> colour;
  grant: func(a: rights, b: many-rights) -> many-rights;
  shapes: func(a: shape, b: list<shape>) -> list<shape>;
  joined: func(a: mixed, b: mixed) -> mixed;
  options: func(a: option<string>, b: option<u32>, c: option<option<f64>>, d: option<colour>) -> option<option<f64>>;
  optional-text: func(a: option<list<u8>>) -> option<string>;
  result-plain: func(a: result) -> result;
  result-text: func(a: result<string, colour>) -> result<string, colour>;
  result-half: func(a: result<_, u64>, b: result<f32>) -> result<f32>;
  many: func(a: string, b: string, c: string, d: string, e: string, f: string, g: u64, h: place, i: list<place>, j: f32) -> place;
  one: func() -> u8;
  none: func();
  truth: func(a: bool) -> bool;
  letter: func(a: char) -> char;
`
const wit = `package test:values@1.2.3;
interface types {
  record place { name: string, x-position: f32, tags: list<string>, height: option<s16>, default: tuple<u8, u64> }
  enum colour { red, green, deep-blue }
  flags rights { read, write, %list }
  flags many-rights { a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16 }
  variant shape { nothing, dot(place), line(tuple<f64, f64>), named(string), several(list<u32>), deep(option<colour>) }
  variant mixed { a(f32), b(s64), c(s32), d(f64), e(string), f }
}
interface origin { use types.{place, colour, rights, many-rights, shape, mixed}; ${functions} }
interface copy { use types.{place, colour, rights, many-rights, shape, mixed}; ${functions} }
`

const dir = folderForFile()
let origin: WitInterface
let copy: WitInterface
const components = new Map<string, Uint8Array>()

/** Source of a module that exports `copy` by calling `origin`. */
function assemblyScriptForwarder(): string {
  const names = new TypeNames(copy)
  const used = copy.used.map((use) => names.of(use.type))
  const funcs = copy.funcs.map((func) => {
    const params = func.params.map((param) => `${valueName(param.name)}: ${names.of(param.type)}`).join(', ')
    const call = `origin.${valueName(func.name)}(${func.params.map((param) => valueName(param.name)).join(', ')})`
    const result = func.result === null ? 'void' : names.of(func.result)
    return `export function ${exportedName(copy, func)}(${params}): ${result} { ${func.result === null ? '' : 'return '}${call}; }`
  })
  return [
    'import * as origin from "test/values/origin";',
    'import { Option, Result, Tuple2, Tuple8, Unit } from "hypha/types";',
    `import { ${used.join(', ')} } from "test/values/types";`,
    ...funcs,
  ].join('\n')
}

function cForwarder(): string {
  const types = new CTypes(copy)
  const funcs = copy.funcs.map((func) => {
    const params = func.params.map((param) => `${types.of(param.type)} ${cValueName(param.name)}`).join(', ') || 'void'
    const call = `${cPrefix(origin.id)}_${snake(func.name)}(${func.params.map((param) => cValueName(param.name)).join(', ')})`
    const result = func.result === null ? 'void' : types.of(func.result)
    return `${result} ${cPrefix(copy.id)}_${snake(func.name)}(${params}) { ${func.result === null ? '' : 'return '}${call}; }`
  })
  return ['#include <test/values/origin.h>', '#include <test/values/copy-export.h>', ...funcs].join('\n')
}

beforeAll(async () => {
  appOf({ 'wit/values.wit': wit }, dir)
  const { interfaces } = loadWit([...sdkWitDirs, join(dir, 'wit')])
  origin = interfaces.find((item) => item.name === 'origin')!
  copy = interfaces.find((item) => item.name === 'copy')!
  appOf(
    {
      'hypha.toml': '[app]\nname = "values"\n[module.assemblyscript]\nheap = "256KiB"\n[module.c]\nheap = "256KiB"\n',
      'assemblyscript/assembly/index.ts': assemblyScriptForwarder(),
      'c/forward.c': cForwarder(),
    },
    dir,
  )
  for (const module of await buildApp(dir)) components.set(module.name, module.component)
}, 240_000)

/** Typed arrays as plain ones, so that values of both sides compare. */
function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

const functionNames = [...functions.matchAll(/^ {2}([\w-]+): func/gm)].map((match) => match[1]!)

describe.each(['assemblyscript', 'c'])('Bindings in %s', (language) => {
  test.each(functionNames)('pass every value of %s unchanged in both directions', (name) => {
    const func = copy.funcs.find((item) => item.name === name)!
    let seen: unknown[] = []
    let answer: unknown
    const host = Object.fromEntries(
      origin.funcs.map((item) => [
        item.name,
        (...args: unknown[]) => {
          seen = args
          return answer
        },
      ]),
    )
    const guest = startGuest(components.get(language)!, { 'test:values/origin': host })
    const calls = fc.tuple(
      fc.tuple(...func.params.map((param) => witValue(param.type))),
      func.result === null ? fc.constant(undefined) : witValue(func.result),
    )
    fc.assert(
      fc.property(calls, ([args, result]) => {
        answer = result
        const returned = guest.call('test:values/copy', name, ...args)
        expect(plain(seen)).toEqual(plain(args))
        expect(plain(returned)).toEqual(plain(result))
      }),
      { numRuns: 150 },
    )
  })
})
