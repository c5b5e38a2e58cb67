import { expect, it } from 'vitest'
import { Downloads, defaultDownloadLimits } from '../../../gateway/admin/api/downloads.ts'

const limited = () => new Downloads({ ...defaultDownloadLimits, total: 4, perAddress: 3 }, () => 0)

it('Addresses that read slowly keep no other from downloading', () => {
  const downloads = limited()
  const ended: string[] = []
  const begin = (address: string, name: string) => downloads.begin(address, () => void ended.push(name))
  for (const name of ['a1', 'a2', 'a3']) begin('192.0.2.1', name)
  begin('192.0.2.2', 'b1')
  begin('192.0.2.3', 'c1')
  expect(ended).toEqual(['a3'])
  begin('192.0.2.4', 'd1')
  expect(ended).toEqual(['a3', 'a2'])
  // Each has one: nobody pushes out another.
  expect(() => begin('192.0.2.5', 'e1')).toThrow('4 downloads run at once')
  expect(() => begin('192.0.2.1', 'a4')).toThrow('4 downloads run at once')
})

it('A place is free again once a download has ended, however often that is said', () => {
  const downloads = limited()
  const ends = [1, 2, 3].map(() => downloads.begin('192.0.2.1', () => undefined))
  expect(() => downloads.begin('192.0.2.1', () => undefined)).toThrow('3 downloads run to 192.0.2.1')
  for (const end of ends) end()
  ends[0]!()
  for (let count = 0; count < 3; count++) downloads.begin('192.0.2.1', () => undefined)
  expect(() => downloads.begin('192.0.2.1', () => undefined)).toThrow('3 downloads run')
})
