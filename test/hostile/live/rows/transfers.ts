import { brotliCompressSync, constants } from 'node:zlib'
import { toHex } from '@hypha/core/bytes/text.ts'
import type { Content, Section } from '@hypha/core/trust/directive.ts'
import { eventually } from '../../../../examples/demo/processes.ts'
import { type Signed, sha256, whole } from '../forge.ts'
import { type Row, words } from '../row.ts'
import type { Victim } from '../victim.ts'

// What is asked for is signed by all who have to; the attacker stands on the way that its bytes take.

const rows: Omit<Row<Victim>, 'at'>[] = [
  {
    name: 'arbitrary/other-bytes',
    sent: "other bytes in a signed content's place",
    code: 'content-mismatch',
    threats: ['THREAT.IMG.NON_AUTH', 'THREAT.NET.REDIRECT', 'THREAT.IMG.EXTRA'],
    run: (victim) => compressed(victim, (core) => core.map((byte, at) => (at === core.length - 1 ? byte ^ 1 : byte))),
  },
  {
    name: 'arbitrary/forged-chunk',
    sent: "a chunk of the attacker's own, then the signed one",
    code: words.passedOver,
    threats: ['THREAT.IMG.NON_AUTH', 'THREAT.NET.ONPATH'],
    async run(victim) {
      const { section, digest, core } = unheard(victim)
      await untilAsked(victim, digest)
      await victim.evil.sendChunk(digest, 0, new Uint8Array(core.length))
      // It is asked for anew; that the forged one came shows in it.
      await untilAsked(victim, digest, 2)
      await victim.evil.sendChunk(digest, 0, core)
      return await victim.passedOver(section)
    },
  },
  {
    name: 'arbitrary/forged-chunks',
    sent: "nothing but chunks of the attacker's own",
    code: 'content-mismatch',
    threats: ['THREAT.IMG.NON_AUTH', 'THREAT.NET.ONPATH'],
    async run(victim) {
      const { section, digest, core } = unheard(victim)
      for (let attempt = 1; attempt <= 3; attempt++) {
        await untilAsked(victim, digest, attempt)
        await victim.evil.sendChunk(digest, 0, new Uint8Array(core.length).fill(attempt))
      }
      return await victim.sectionRefusalOf(section)
    },
  },

  {
    name: 'endless/brotli-bomb',
    sent: '16 MiB of zeros in a few bytes of brotli',
    code: 'bytes-too-long',
    run: (victim) => compressed(victim, () => new Uint8Array(16 * 1024 * 1024)),
  },
  {
    name: 'endless/chunk-over-size',
    sent: 'a chunk longer than its content, and one beyond it',
    code: words.passedOver,
    threats: ['THREAT.IMG.EXTRA'],
    async run(victim) {
      const { section, digest, core } = unheard(victim)
      await untilAsked(victim, digest)
      const send = async () => {
        await victim.evil.sendChunk(digest, 0, new Uint8Array(core.length + 1))
        await victim.evil.sendChunk(digest, 1, core)
        // What was too long is as if it had never come: the genuine chunk still finds its place.
        await victim.evil.sendChunk(digest, 0, core)
      }
      const timer = setInterval(() => void send(), 20)
      const answer = await victim.passedOver(section)
      clearInterval(timer)
      return answer
    },
  },
]

/** A signed section for another app whose core form the node hasn't seen: it has to be sent. */
function unheard(victim: Victim): { section: Section; digest: string; core: Uint8Array; signed: Signed } {
  const core = new Uint8Array([
    ...victim.forge.core,
    0,
    5,
    4,
    ...crypto.getRandomValues(new Uint8Array(4)).map((byte) => byte & 0x7f),
  ])
  core.set([0, 5, 1, 0x78], victim.forge.core.length)
  const [module] = victim.forge.genuine.get(3)!.release.modules
  const modules = [{ ...module!, core: { digest: sha256(core), size: core.length } }]
  const signed = victim.forge.spyware([victim.forge.release], { modules })
  const section = victim.forge.section(signed, { contents: [whole(signed.envelope), whole(core)] })
  victim.evil.sendDirective(victim.forge.signDirective(victim.next({ sections: [victim.section(), section] })), [
    signed.envelope,
  ])
  victim.version++
  return { section, digest: toHex(sha256(core)), core, signed }
}

async function untilAsked(victim: Victim, digest: string, times = 1): Promise<void> {
  const asked = () => victim.evil.wants.filter((want) => toHex(want.digest) === digest).length >= times
  await eventually('the node to ask for a content', () => asked() || undefined, victim.patienceMs)
}

/** A signed content whose transfer is brotli of something else. */
async function compressed(victim: Victim, forge: (core: Uint8Array) => Uint8Array): Promise<string | null> {
  const core = new Uint8Array([...victim.forge.core, 0, 2, 1, 0x79])
  const bytes = new Uint8Array(brotliCompressSync(forge(core), { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } }))
  const [module] = victim.forge.genuine.get(3)!.release.modules
  const modules = [{ ...module!, core: { digest: sha256(core), size: core.length } }]
  const signed = victim.forge.spyware([victim.forge.release], { modules })
  const content: Content = {
    digest: sha256(core),
    size: core.length,
    transfer: { encoding: 'brotli', base: null, via: null, digest: sha256(bytes), size: bytes.length },
  }
  const section = victim.forge.section(signed, { contents: [whole(signed.envelope), content] })
  return await victim.sectionRefusal(section, [signed.envelope, bytes])
}

export const transferRows: readonly Row<Victim>[] = rows.map((row) => ({ ...row, at: 'node' }))
