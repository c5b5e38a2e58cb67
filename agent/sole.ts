import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { HyphaError } from '@hypha/core/errors.ts'
import { nodeCrypto } from '@hypha/core/platform/crypto.ts'
import { type Files, replaceFile } from '@hypha/core/ports/files.ts'

/** In the agent's data: what only who may read the folder knows, so that no other user of the machine can take the name first. */
const path = 'sole'

/**
 * Makes this process the only agent of a folder until it ends: two would write into one journal. What it holds is a socket in Linux's abstract namespace, which the kernel frees however
 * the process dies and which no power cut leaves behind; elsewhere nothing is held. Throws `already-running`.
 */
export async function becomeSole(home: string, files: Files): Promise<void> {
  if (process.platform !== 'linux') return
  let secret = files.read(path)
  if (secret?.length !== 16) {
    secret = nodeCrypto.random(16)
    await replaceFile(files, path, secret)
  }
  // A copy of the folder on the same machine is another folder.
  const { dev, ino } = statSync(join(home, 'data'))
  const name = createHash('sha256').update(secret).update(`${dev}:${ino}`).digest('hex')
  const holder = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    holder.once('listening', resolve)
    holder.once('error', (cause: NodeJS.ErrnoException) => {
      // Without such sockets (a sandbox that forbids them) an agent runs as well.
      if (cause.code !== 'EADDRINUSE') return resolve()
      reject(
        new HyphaError('already-running', `Another agent runs in ${home}`, {
          where: home,
          mend: 'Use the one that runs, or end it first. A second node needs a folder of its own: --home DIR.',
          cause,
        }),
      )
    })
    holder.listen(`\0hypha-agent-${name}`)
  })
  // It doesn't keep the process alive.
  holder.unref()
}
