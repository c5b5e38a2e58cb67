import { createReadStream } from 'node:fs'
import { HyphaError } from '@hypha/core/errors.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Installables } from '../../../install/installables.ts'
import type { Downloads } from '../downloads.ts'
import { type Api, answers } from '../route.ts'
import { ErrorAnswer } from '../schemas/common.ts'
import { InstallView } from '../schemas/install.ts'

// The files by digest are open to anybody: nothing of them is secret, and a device has no certificate before it has installed. What they should be, the line
// says that `hypha invite` prints.

const tags = ['installing']
const bytes = {
  description: 'The bytes; those of a range with status 206',
  content: { 'application/octet-stream': { schema: { type: 'string' } } },
}
const files = { 200: bytes, '4xx': ErrorAnswer, '5xx': ErrorAnswer }

export function installRoutes(api: Api, installables: Installables | undefined, downloads: Downloads): void {
  api.get(
    '/v1/install',
    { schema: { tags, summary: 'What devices install at present', response: answers(InstallView) } },
    () => offered(installables).current(),
  )
  const send = (request: FastifyRequest, reply: FastifyReply, digest: string) =>
    sendFile(request, reply, { installables: offered(installables), downloads, digest })
  api.get(
    '/install/:script',
    {
      exposeHeadRoute: false,
      schema: {
        security: [],
        tags,
        summary: 'An installer, as DIGEST.sh',
        params: Type.Object({ script: Type.String({ pattern: '^[0-9a-f]{64}\\.sh$' }) }),
        response: files,
      },
    },
    (request, reply) => send(request, reply, request.params.script.slice(0, 64)),
  )
  api.get(
    '/install/file/:digest',
    {
      exposeHeadRoute: false,
      schema: {
        security: [],
        tags,
        summary: 'What an installer fetches; goes on in the middle where asked to',
        params: Type.Object({ digest: Type.String({ pattern: '^[0-9a-f]{64}$' }) }),
        response: files,
      },
    },
    (request, reply) => send(request, reply, request.params.digest),
  )
}

function offered(installables: Installables | undefined): Installables {
  if (installables === undefined) throw new HyphaError('not-found', 'This gateway has nothing that devices install')
  return installables
}

interface Sending {
  readonly installables: Installables
  readonly downloads: Downloads
  readonly digest: string
}

async function sendFile(request: FastifyRequest, reply: FastifyReply, { installables, downloads, digest }: Sending) {
  // There is no body to wait for: what follows may take as long as it takes.
  request.raw.resume()
  const end = downloads.begin(request.ip, () => void reply.raw.destroy())
  reply.raw.once('close', end)
  const found = await installables.find(digest)
  if (found === null) throw new HyphaError('not-found', `There is nothing to install with the digest ${digest}`)
  reply.headers({
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
    'cache-control': 'public, max-age=31536000, immutable',
  })
  reply.type('application/octet-stream')
  const range = rangeOf(request.headers.range, found.bytes)
  if (range === 'none') {
    return reply.status(416).header('content-range', `bytes */${found.bytes}`).type('text/plain').send('')
  }
  const { start, last } = range ?? { start: 0, last: found.bytes - 1 }
  if (range !== null) reply.status(206).header('content-range', `bytes ${start}-${last}/${found.bytes}`)
  reply.header('content-length', last - start + 1)
  const stream = createReadStream(found.path, { start, end: last })
  // A file that has shrunk since it was checked: whoever waits for the rest must hear that none comes.
  stream.once('close', () => {
    if (stream.bytesRead < last - start + 1) request.raw.socket.destroySoon()
  })
  return reply.send(stream)
}

/** RFC 9110, 14.2: one range of bytes; null for none, and for forms that nobody here needs, which may be passed over. "none": it lies outside. */
function rangeOf(header: string | undefined, size: number): { start: number; last: number } | 'none' | null {
  const [, from, to] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (from === undefined) return null
  const start = Number(from)
  const last = to ? Math.min(Number(to), size - 1) : size - 1
  if (to && Number(to) < start) return null
  return start >= size ? 'none' : { start, last }
}
