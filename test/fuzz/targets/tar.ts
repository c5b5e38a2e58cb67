import { readTar, writeTar } from '@hypha/core/bytes/tar.ts'
import { bytesEqual, toUtf8 } from '@hypha/core/bytes/text.ts'
import { insist, outcome, reads, type Target } from '../target.ts'

export const tarTarget: Target = {
  name: 'tar',
  about: "an archive of the agent's program",
  short: 2_000,
  words: ['../', '/', 'ustar', '00', '77777777777', '\0', 'a'],
  prepare: () => ({
    seeds: [
      writeTar([]),
      writeTar([
        { name: 'agent.js', bytes: toUtf8('run()') },
        { name: 'worker/main.js', bytes: new Uint8Array(600) },
      ]),
    ],
    run(input) {
      const result = reads(() => readTar(input))
      if ('refused' in result) return outcome(result)
      for (const { name } of result.value)
        insist(!/^\/|(^|\/)\.\.?(\/|$)|\\|\0/.test(name), `the name ${name} leads out`)
      insist(bytesEqual(writeTar(result.value), input), 'what was read is written as another archive')
      return `${result.value.length} files`
    },
  }),
}
