import { expect, test } from 'vitest'
import { faultOf } from '../../../gateway/escalate/faults.ts'

const told = { at: 5, node: 'pi-7', app: 'plants', module: 'sampler', home: 'pi-7', text: '' }

test('A trap of a cell is blamed on the module that has taken all its memory', () => {
  const text = 'unreachable; module "smooth" has taken all its memory of 131072 bytes'
  const { text: _, ...where } = told
  expect(faultOf({ ...told, code: 'trapped', text })).toEqual({
    ...where,
    module: 'smooth',
    cause: 'memory',
    limitBytes: 131_072,
  })
})

test('What it was found by makes no difference, and a turn that hung is blamed on the module that it hung in', () => {
  const left = 'unreachable; module "smooth" has less than 4096 bytes left of its memory of 32768 bytes'
  expect(faultOf({ ...told, code: 'trapped', text: left })).toMatchObject({ module: 'smooth', limitBytes: 32_768 })
  const hung = 'the turn did not return before its deadline, in module "smooth"; the state goes back 2 turns'
  expect(faultOf({ ...told, code: 'deadline', text: hung })).toMatchObject({ module: 'smooth', cause: 'deadline' })
})

test('A trap for another reason would happen anywhere', () => {
  expect(faultOf({ ...told, code: 'trapped', text: 'unreachable' })).toBeNull()
})

test('Deadlines and rates are the faults of the instance that tells of them', () => {
  expect(faultOf({ ...told, code: 'deadline' })?.cause).toBe('deadline')
  expect(faultOf({ ...told, code: 'throttled' })?.cause).toBe('quota')
})

test('What is of no instance, or of the gateway, is nobody’s fault', () => {
  expect(faultOf({ ...told, code: 'deadline', module: null })).toBeNull()
  expect(faultOf({ ...told, code: 'deadline', node: null })).toBeNull()
  expect(faultOf({ ...told, code: 'moved' })).toBeNull()
})
