import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type BindingLanguage, bindgen } from '../../../gateway/push/build/bindgen.ts'
import { sdkDir, sdkWitDirs } from '../../../gateway/push/build/sdk.ts'
import { loadWit } from '../../../gateway/push/build/wit.ts'
import { appOf, temporaryFolder } from './app-folder.ts'

const filesOf = (dir: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((file) => [file.slice(dir.length + 1), readFileSync(file, 'utf8')]),
  )

test.each(['assemblyscript', 'c'] as const)(
  'The bindings in sdk/%s/generated are what bindgen makes of the contract',
  (language) => {
    const out = temporaryFolder()
    bindgen(sdkWitDirs, { language, out })
    expect(filesOf(join(sdkDir, language, 'generated'))).toEqual(filesOf(out))
  },
)

test.each([
  ['assemblyscript', ['my-app/climate/smooth.ts']],
  ['c', ['my-app/climate/smooth.h', 'my-app/climate/smooth-export.h']],
] as [BindingLanguage, string[]][])("An app's own interface gets bindings in %s", (language, expected) => {
  const app = appOf({
    'wit/smooth.wit': 'package my-app:climate@0.1.0;\ninterface smooth { add: func(x: f64) -> f64; }\n',
  })
  const out = temporaryFolder()
  const written = bindgen(join(app, 'wit'), { language, out })
  expect(written.map((file) => file.slice(out.length + 1))).toEqual(expected)
})

test.each([
  ['interface a { f: func(x: nothing); }', 'a.wit:2', /no type nothing/],
  ['interface a { record r { r: list<r> } }', 'a.wit:2', /holds itself/],
  ['interface a { f: func(; }', 'a.wit:2', /expected a name/],
  ['interface a { resource r; }', 'a.wit:2', /resources can not cross/],
  ['interface a { f: func(x: own<r>); }', 'a.wit:2', /own can not cross/],
  ['interface a { use b.{c}; }', 'a.wit:2', /no interface my:app\/b/],
  ['interface a { f: func(); f: func(); }', 'a.wit', /stands twice/],
  ['interface a { f: func()', 'a.wit:2', /expected ";"/],
  ['interface a { ? }', 'a.wit:2', /can't stand here/],
])('%s is refused where it stands', (text, where, message) => {
  const app = appOf({ 'a.wit': `package my:app;\n${text}` })
  expect(() => loadWit([app])).toThrow(
    expect.objectContaining({ code: 'wit-invalid', where: join(app, where), message: expect.stringMatching(message) }),
  )
})
