import { describe, expect, it } from 'vitest'
import { migrate, migrations } from '../../../gateway/store/migrations.ts'
import { type Database, openDatabase } from '../../../gateway/store/sqlite.ts'
import { openStore } from '../../../gateway/store/store.ts'
import { temporaryPath } from './support.ts'

const schemaOf = (db: Database) =>
  db.prepare("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name").all()

describe('migrations', () => {
  it('bring a database of every version to the newest, with what it holds and the same tables as a new one', () => {
    const fresh = openDatabase(temporaryPath())
    migrate(fresh)
    for (let version = 1; version <= migrations.length; version++) {
      const path = temporaryPath()
      const old = openDatabase(path)
      migrate(old, migrations.slice(0, version))
      old.exec(`INSERT INTO nodes (fleet, id, tier, public_key, box_key, fingerprint, certificate_expires, labels, created)
        VALUES ('greens', 'pi-7', 'device', x'01', x'02', 'ab', 5, '["a=b"]', 4)`)
      old.exec(`INSERT INTO series (fleet, app, module, home, metric, node, incarnation, epoch)
        VALUES ('greens', 'greenhouse', 'sampler', 'pi-7', 'temperature', 'pi-7', x'0102030405060708', 1)`)
      old.exec('INSERT INTO samples VALUES (1, 1000, 1, 21.5)')
      old.close()

      const store = openStore(path, { fleet: 'greens' })
      expect(store.db.pragma('user_version', { simple: true })).toBe(migrations.length)
      expect(schemaOf(store.db)).toEqual(schemaOf(fresh))
      expect(store.nodes.get('pi-7')).toMatchObject({ tier: 'device', labels: ['a=b'], createdAt: 4 })
      expect(store.series.latest()).toMatchObject([{ at: 1000, value: 21.5, home: 'pi-7' }])
      store.close()
    }
    fresh.close()
  })

  it('leave a database at the version before when a step fails', () => {
    const db = openDatabase(temporaryPath())
    const steps = ['CREATE TABLE a (x INTEGER)', 'CREATE TABLE b (x INTEGER); INSERT INTO nowhere VALUES (1)']
    expect(() => migrate(db, steps)).toThrow('no such table: nowhere')
    expect(db.pragma('user_version', { simple: true })).toBe(1)
    expect(schemaOf(db)).toMatchObject([{ name: 'a' }])
    migrate(db, [steps[0]!, 'CREATE TABLE b (x INTEGER)'])
    expect(schemaOf(db)).toMatchObject([{ name: 'a' }, { name: 'b' }])
    db.close()
  })

  it('refuse a database that a later version wrote', () => {
    const path = temporaryPath()
    const db = openDatabase(path)
    db.pragma('user_version = 99')
    db.close()
    expect(() => openStore(path, { fleet: 'greens' })).toThrow(expect.objectContaining({ code: 'store-newer' }))
  })

  it('leave the queue source of a database as it was made', () => {
    const path = temporaryPath()
    const first = openStore(path, { fleet: 'greens' })
    const { source } = first.meta
    first.close()
    const again = openStore(path, { fleet: 'greens' })
    expect(source).toHaveLength(8)
    expect(again.meta.source).toEqual(source)
    again.close()
  })
})
