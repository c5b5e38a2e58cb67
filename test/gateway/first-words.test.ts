import { describe, expect, it } from 'vitest'
import { createFirstWords } from '../../gateway/first-words.ts'
import { presence } from '../../src/wire/messages/presence.ts'
import { FakeClock } from '../support/fake-clock.ts'

// An agent says that it is there before it says anything else. Whoever doesn't is none.

const will = new Uint8Array([1, 2, 3])

function started({ strange = false } = {}) {
  const clock = new FakeClock()
  const told: string[] = []
  const first = createFirstWords({
    clock,
    begun: (node, left) => {
      told.push(`${node} begun${left === will ? ' with its will' : ''}`)
      return strange
    },
    unannounced: (node, how) => told.push(`${node} ${how}`),
  })
  const connect = (kind: 'node' | 'client' = 'node') => {
    const client = { kind, id: 'pi-7', fingerprint: 'ab', expiresAt: 0 }
    const tell = (event: 'connected' | 'reads' | 'disconnected') => first.onClient({ kind: event, client, will })
    const say = (online: boolean) =>
      first.onPresence(client, presence.encode({ connection: 1, online, run: null, journal: null }))
    tell('connected')
    return { client, reads: () => tell('reads'), cut: () => tell('disconnected'), say }
  }
  return { clock, told, first, connect }
}

describe('What comes on a connection counts', () => {
  it('from its presence on, and not before: then it is to be ended', () => {
    const { first, told, connect } = started()
    const { client, say } = connect()
    expect(first.admits(client)).toBe(false)
    expect(told).toEqual(['pi-7 begun with its will', 'pi-7 spoke'])
    say(true)
    expect(first.admits(client)).toBe(true)
  })

  it('on that connection alone: the next one has to say it anew', () => {
    const { first, connect } = started()
    const [before, after] = [connect(), connect()]
    before.say(true)
    expect([first.admits(before.client), first.admits(after.client)]).toEqual([true, false])
  })

  it('not because of a goodbye, or of bytes that are none', () => {
    const { first, connect } = started()
    const { client, say } = connect()
    say(false)
    first.onPresence(client, new Uint8Array([0xff]))
    expect(first.admits(client)).toBe(false)
  })
})

describe('A connection that says nothing of itself for half a minute', () => {
  it('is to be ended, and told of if it read something under the name of another run', () => {
    for (const strange of [true, false]) {
      const { clock, told, connect } = started({ strange })
      const { reads } = connect()
      reads()
      reads()
      clock.advance(29_999)
      expect(told).toEqual(['pi-7 begun with its will'])
      clock.advance(1)
      expect(told[1]).toBe(strange ? 'pi-7 listened' : 'pi-7 silent')
    }
  })

  it('is nothing where it was cut, has said that it is there, or is no node', () => {
    const { clock, told, connect } = started()
    connect().cut()
    connect().say(true)
    connect('client').reads()
    expect(clock.waiting).toBe(0)
    clock.advance(60_000)
    expect(told).toEqual([])
  })
})
