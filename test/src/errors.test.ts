import { readFileSync } from 'node:fs'
import { asHyphaError, errorTable, HyphaError } from '@hypha/core/errors.ts'
import { describe, expect, it } from 'vitest'
import { errorsDocument } from '../support/errors-doc.ts'

describe('errors', () => {
  it('are documented as the table has them (npm run fix writes the page)', () => {
    expect(readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')).toBe(errorsDocument())
  })

  it.each(Object.entries(errorTable))('%s says what it means and what to do, in sentences', (code, { means, mend }) => {
    expect(code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
    expect(means).toMatch(/^[A-Z`].*\.$/)
    expect(mend).toMatch(/^[A-Z`].*\.$/)
  })

  it('leave as JSON with the advice of their code, or their own', () => {
    expect(new HyphaError('id-invalid', 'no', { where: 'there' }).toJSON()).toEqual({
      code: 'id-invalid',
      message: 'no',
      where: 'there',
      mend: errorTable['id-invalid'].mend,
    })
    expect(new HyphaError('id-invalid', 'no', { mend: 'Do this.' }).toJSON()).toEqual({
      code: 'id-invalid',
      message: 'no',
      mend: 'Do this.',
    })
  })

  it('keep what was thrown as their cause', () => {
    const cause = new TypeError('boom')
    expect(asHyphaError(cause)).toMatchObject({ code: 'internal', message: 'boom', cause })
    expect(asHyphaError('text').message).toBe('text')
    expect(asHyphaError(null).code).toBe('internal')
  })

  it('tell of a file that the system refuses as such, and of nothing else that it refuses', () => {
    const refused = (code: string, syscall: string) =>
      asHyphaError(Object.assign(new Error(`${code}: ${syscall} '/a'`), { code, syscall, path: '/a' }))
    expect(refused('EISDIR', 'read')).toMatchObject({ code: 'file-failed', where: '/a' })
    expect(refused('EROFS', 'open')).toMatchObject({ code: 'file-failed', where: '/a' })
    expect(refused('ENOSPC', 'write')).toMatchObject({ code: 'disk-full' })
    expect(asHyphaError(Object.assign(new Error('full'), { code: 'SQLITE_FULL' })).code).toBe('disk-full')
    expect(asHyphaError(Object.assign(new Error('no'), { code: 'SQLITE_READONLY_DBMOVED' })).code).toBe(
      'store-unusable',
    )
    expect(asHyphaError(Object.assign(new Error('twice'), { code: 'SQLITE_CONSTRAINT' })).code).toBe('internal')
    expect(refused('EACCES', 'connect').code).toBe('internal')
    expect(refused('EACCES', 'listen').code).toBe('internal')
  })
})
