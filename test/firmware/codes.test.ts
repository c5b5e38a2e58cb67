import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorTable } from '@hypha/core/errors.ts'
import { expect, it } from 'vitest'
import { firmwareFolder } from '../support/firmware.ts'

it('Every code that a board refuses with has its words at the gateway', () => {
  const header = readFileSync(join(firmwareFolder, 'base/codes.h'), 'utf8')
  const codes = [...header.matchAll(/X\(\w+, "([a-z0-9-]+)"\)/g)].map(([, code]) => code!)
  expect(codes.length).toBeGreaterThan(40)
  expect(codes.filter((code) => !Object.hasOwn(errorTable, code))).toEqual([])
})
