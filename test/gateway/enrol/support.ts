import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { JoinIdentity } from '../../../agent/join/join.ts'
import { type Authority, createAuthority } from '../../../gateway/enrol/ca.ts'
import { type EnrolDeps, handleJoin, handleRenew } from '../../../gateway/enrol/join.ts'
import type { Invite, InviteStore } from '../../../gateway/store/ports/invites.ts'
import { ed25519Spki } from '../../../src/bytes/ed25519.ts'
import { asHyphaError } from '../../../src/errors.ts'

export interface Keys extends JoinIdentity {
  readonly privateKey: KeyObject
}

export function makeKeys(): Keys {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return {
    publicKey: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)),
    boxKey: new Uint8Array(32).fill(7),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
    privateKey,
  }
}

const nodeVerify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  verify(
    null,
    message,
    createPublicKey({ key: Buffer.from(ed25519Spki(publicKey)), format: 'der', type: 'spki' }),
    signature,
  )

/** Invitations in memory, with the semantics that the port asks for. */
function memoryInvites(): InviteStore & { all: Map<string, Invite> } {
  const all = new Map<string, Invite>()
  return {
    all,
    addInvite: (invite) => void all.set(invite.tokenDigest, invite),
    findInvite: (digest) => all.get(digest) ?? null,
    redeemInvite(digest, use) {
      const invite = all.get(digest)
      if (!invite || invite.used) return false
      all.set(digest, { ...invite, used: use })
      return true
    },
  }
}

export interface TestGateway {
  readonly authority: Authority
  readonly deps: EnrolDeps
  readonly invites: ReturnType<typeof memoryInvites>
  readonly root: Uint8Array
  readonly rootDigest: string
  readonly port: number
  now: number
  /** Whether the next answer is swallowed, as by a cut connection. */
  cut: boolean
  close(): Promise<void>
}

/** The enrolment's handlers behind a real HTTPS server, as the gateway mounts them. */
export async function startTestGateway(names: readonly string[] = ['127.0.0.1']): Promise<TestGateway> {
  const authority = await createAuthority('greens')
  const invites = memoryInvites()
  const root = new TextEncoder().encode('the first root metadata')
  const served = await authority.issueServer({ names })
  const state = { now: 1_700_000_000_000, cut: false }
  const deps: EnrolDeps = {
    authority,
    invites,
    crypto: { verify: nodeVerify },
    now: () => state.now,
    root: () => root,
    broker: () => ({ host: '127.0.0.1', port: 8883 }),
  }
  const server: Server = createServer(
    { key: served.key, cert: served.certificate, minVersion: 'TLSv1.3' },
    (incoming, outgoing) => {
      const parts: Buffer[] = []
      incoming.on('data', (part: Buffer) => parts.push(part))
      incoming.on('end', async () => {
        try {
          const body = new Uint8Array(Buffer.concat(parts))
          const answer =
            incoming.url === '/v1/join'
              ? await handleJoin(body, deps)
              : await handleRenew(body, {
                  ...deps,
                  findNode: (node) => {
                    const invite = [...invites.all.values()].find((entry) => entry.node === node)
                    return invite?.used ? { tier: invite.tier, publicKey: invite.used.publicKey } : null
                  },
                  recordCertificate: () => undefined,
                })
          if (state.cut) {
            state.cut = false
            incoming.socket.destroy()
          } else outgoing.writeHead(200).end(answer)
        } catch (error) {
          outgoing.writeHead(400).end(JSON.stringify(asHyphaError(error)))
        }
      })
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(state, {
    authority,
    deps,
    invites,
    root,
    rootDigest: createHash('sha256').update(root).digest('hex'),
    port: (server.address() as AddressInfo).port,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  })
}
