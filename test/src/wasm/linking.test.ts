import { type LinkableModule, linkModules } from '@hypha/core/wasm/linking.ts'
import type { FuncType, WitType } from '@hypha/core/wasm/types.ts'
import { expect, test } from 'vitest'

const advice = 'greenhouse:plants/advice@0.1.0'

const func = (name: string, params: WitType[], result: WitType | null = null): FuncType => ({
  name,
  params: params.map((type, index) => ({ name: `p${index + 1}`, type })),
  result,
})

const module = (
  name: string,
  imports: [string, FuncType[]][],
  exports: [string, FuncType[]][] = [],
): LinkableModule => {
  const side = (items: [string, FuncType[]][]) => items.map(([id, funcs]) => ({ name: id, funcs }))
  return { name, world: { imports: side(imports), exports: side(exports) } }
}

const faultsOf = (...modules: LinkableModule[]) =>
  [...linkModules(modules).values()].flatMap(({ faults }) => faults.map(({ code, text }) => [code, text]))

/** What is wrong with `smooth`, which calls with one type what `advisor` exports with another. */
const mismatch = (called: FuncType, given: FuncType) =>
  faultsOf(module('smooth', [[advice, [called]]]), module('advisor', [], [[advice, [given]]]))

test('Imports go to the host, to what stands for WASI, and to the module that exports them', () => {
  const smooth = module('smooth', [
    ['hypha:host/log@0.1.0', []],
    [advice, [func('tell', ['f64'], 'string')]],
    ['wasi:random/random@0.2.0', []],
  ])
  const advisor = module('advisor', [], [['greenhouse:plants/advice@0.1.3', [func('tell', ['f64'], 'string')]]])
  const linked = linkModules([smooth, advisor]).get('smooth')
  expect(linked).toEqual({
    host: ['hypha:host/log@0.1.0'],
    wasi: ['wasi:random/random@0.2.0'],
    calls: [{ interface: advice, callee: 'advisor' }],
    faults: [],
  })
})

test('A misspelled interface is refused with the nearest that there is, and its module', () => {
  expect(
    faultsOf(module('smooth', [['greenhouse:plants/advise@0.1.0', []]]), module('advisor', [], [[advice, []]])),
  ).toEqual([
    [
      'import-unresolved',
      'smooth imports greenhouse:plants/advise@0.1.0, which neither the host nor a module of the app provides; the nearest is greenhouse:plants/advice@0.1.0 of advisor',
    ],
  ])
})

test('A misspelled function is refused with the nearest that there is', () => {
  expect(mismatch(func('tel', []), func('tell', []))).toEqual([
    [
      'import-incompatible',
      `smooth imports ${advice} of advisor, but it has no function tel there, the nearest is tell`,
    ],
  ])
})

test('What the exporter has beyond what is called changes nothing', () => {
  const called = module('smooth', [[advice, [func('tell', [])]]])
  expect(faultsOf(called, module('advisor', [], [[advice, [func('ask', ['u8']), func('tell', [])]]]))).toEqual([])
})

test('Names of parameters and types change nothing of what crosses', () => {
  const named = (name: string): WitType => ({ kind: 'record', name, fields: [{ name: 'celsius', type: 'f64' }] })
  expect(mismatch(func('tell', [named('reading')]), func('tell', [named('sample')]))).toEqual([])
})

const reading = (unit: WitType): WitType => ({
  kind: 'record',
  name: 'reading',
  fields: [
    { name: 'value', type: 'f64' },
    { name: 'unit', type: unit },
  ],
})

test.each<[string, FuncType, FuncType, string]>([
  [
    'a type',
    func('tell', ['f64']),
    func('tell', ['string']),
    'parameter p1 of tell is f64 for the caller, and string there',
  ],
  ['a count', func('tell', ['f64']), func('tell', []), 'tell is called with 1 parameters, and has 0'],
  ['a result', func('tell', [], 'u8'), func('tell', []), 'the result of tell is u8 for the caller, and nothing there'],
  [
    'a field deep inside',
    func('tell', [{ kind: 'list', of: reading('string') }]),
    func('tell', [{ kind: 'list', of: reading({ kind: 'enum', name: 'unit', cases: ['kelvin'] }) }]),
    'parameter p1 of tell of its list in field unit is string for the caller, and the enum unit there',
  ],
  [
    'the order of cases',
    func('tell', [], { kind: 'enum', cases: ['wet', 'dry'] }),
    func('tell', [], { kind: 'enum', cases: ['dry', 'wet'] }),
    'the result of tell has the case wet for the caller, and dry there',
  ],
  [
    'an error',
    func('tell', [], { kind: 'result', ok: 'u8', err: 'string' }),
    func('tell', [], { kind: 'result', ok: 'u8', err: null }),
    'the result of tell in err is string for the caller, and nothing there',
  ],
])('A difference in %s is refused, and said where it is', (_what, called, given, why) => {
  expect(mismatch(called, given)).toEqual([['import-incompatible', `smooth imports ${advice} of advisor, but ${why}`]])
})

test('A circle is said of each of its modules, and of nobody who only calls into it', () => {
  const at = (name: string): [string, FuncType[]] => [`acme:x/${name}@0.1.0`, []]
  const modules = [
    module('a', [at('one')], [at('three')]),
    module('b', [at('two')], [at('one')]),
    module('c', [at('three')], [at('two')]),
    module('d', [at('one')]),
  ]
  expect(faultsOf(...modules).map(([, text]) => text)).toEqual([
    'its links go round in a circle: a → b → c → a',
    'its links go round in a circle: b → c → a → b',
    'its links go round in a circle: c → a → b → c',
  ])
})
