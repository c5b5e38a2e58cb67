import assert from 'node:assert'
// @ts-expect-error: it comes without types
import abstractPersistence from 'aedes-persistence/abstract.js'
import Database from 'better-sqlite3'
import { test } from 'vitest'
import { BrokerPersistence } from '../../../gateway/broker/persistence.ts'
import { broadcastMigration, brokerMigration, SqliteBrokerStore } from '../../../gateway/store/broker-store.ts'

// The suite that aedes-persistence ships for implementations of its contract, run as it is. It is written for node:test, whose context this stands in for.

interface TestContext {
  assert: object
  plan(count: number): void
  diagnostic(text: string): void
}

async function runWithPlan(body: (context: TestContext) => Promise<void>): Promise<void> {
  let planned: number | null = null
  let made = 0
  const counting = new Proxy(assert, {
    get(target, name: keyof typeof assert) {
      made++
      return target[name]
    },
  })
  await body({
    assert: counting,
    plan: (count) => {
      planned = count
    },
    diagnostic: () => undefined,
  })
  if (planned !== null) assert.equal(made, planned, 'as many assertions as planned')
}

abstractPersistence({
  test: (title: string, body: (context: TestContext) => Promise<void>) => test(title, () => runWithPlan(body)),
  testAsync: true,
  persistence() {
    const db = new Database(':memory:')
    db.exec(brokerMigration + broadcastMigration)
    return new BrokerPersistence(new SqliteBrokerStore(db, 'greens'), {
      maxQueuedMessages: 1_000,
      maxIncoming: 64,
      maxQueuedBytes: 1_048_576,
      admits: () => true,
      onDropped: () => assert.fail('nothing is dropped'),
      onError: (error) => assert.fail(String(error)),
    })
  },
})
