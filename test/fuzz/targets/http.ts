import { fromHex } from '@hypha/core/bytes/text.ts'
import { release } from '@hypha/core/trust/release.ts'
import { rootChain } from '@hypha/core/wire/messages/root-chain.ts'
import { knownRoutes } from '../../../gateway/admin/api/permissions.ts'
import { pushBody } from '../../../gateway/admin/api/push-body.ts'
import { createApi } from '../../../gateway/admin/api/server.ts'
import { createAuthority } from '../../../gateway/enrol/ca.ts'
import { handleJoin, handleRenew } from '../../../gateway/enrol/join.ts'
import { handleSiteJoin } from '../../../gateway/uplink/site-join.ts'
import { openGateway } from '../../gateway/api/gateway.ts'
import { crypto, makeRelease, makeRoot, signRelease, signRoot } from '../../support/signed.ts'
import { insist, type Prepared, type Target } from '../target.ts'

// Methods and paths of an input's first line, a blank line, and its body.
const bodies: readonly (string | Uint8Array)[] = [
  '{"node":"pi-9","tier":"device","labels":["a=b"],"hours":1}',
  '{"name":"ci","role":"publisher","apps":["lab-*"],"days":3}',
  '{"name":"screen","publish":["m/greenhouse/#"],"subscribe":["v/#"]}',
  '{"value":"C","module":"sampler","node":null,"secret":true}',
  '{"addLabels":["a=b"],"removeLabels":[],"zone":"tunnel"}',
  '{"number":1}',
  '{}',
  'null',
  '[]',
]

const cborBodies = (): readonly Uint8Array[] => [
  pushBody.encode({ envelope: signRelease(makeRelease()), components: [Uint8Array.of(0, 97, 115, 109)] }),
  release.encode(makeRelease()),
  rootChain.encode({ envelopes: [signRoot(makeRoot({ version: 2 }))] }),
  fromHex('a0'),
]

const encoder = new TextEncoder()

function seedsFor(routes: readonly string[]): Uint8Array[] {
  const seeds: Uint8Array[] = []
  const bytesOf = (head: string, body: Uint8Array) => Uint8Array.from([...encoder.encode(`${head}\n`), ...body])
  for (const route of routes) {
    if (route.endsWith('/follow')) continue
    const url = route
      .replace(':app', 'greenhouse')
      .replace(/:(number|id)/, '1')
      .replace(/:\w+/g, 'pi-7')
    seeds.push(bytesOf(`${url}?limit=5&from=0&app=greenhouse&force=true json`, new Uint8Array(0)))
    if (!/^(POST|PUT|PATCH)/.test(route)) continue
    for (const body of bodies)
      seeds.push(bytesOf(`${url} json`, typeof body === 'string' ? encoder.encode(body) : body))
    for (const body of cborBodies()) seeds.push(bytesOf(`${url} cbor`, body))
  }
  return seeds
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const
const types: Readonly<Record<string, string>> = { json: 'application/json', cbor: 'application/cbor' }

export const httpTarget: Target = {
  name: 'http-api',
  about: 'requests to every route of the API: an error is one of ours, and never a defect',
  maxBytes: 8_192,
  short: 600,
  words: [
    '"',
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    'null',
    'true',
    '1e999',
    '-1',
    '"__proto__"',
    '%00',
    '%ff',
    '%2e%2e',
    '/',
    '?',
    '&',
    '=',
    '\\u0000',
    '\\ud800',
    ' cbor',
    ' json',
  ],
  async prepare(): Promise<Prepared> {
    const undo: (() => void)[] = []
    const gateway = await openGateway(':memory:', (step) => void undo.unshift(step))
    const authority = await createAuthority('garden')
    const deps = {
      authority,
      invites: gateway.store.invites,
      crypto,
      now: () => gateway.clock.now(),
      root: () => signRoot(makeRoot()),
      broker: () => ({ host: '127.0.0.1', port: 8883 }),
    }
    const defects: unknown[] = []
    const api = await createApi(gateway.services, {
      trust: { kind: 'local' },
      onDefect: (error) => void defects.push(error),
      failureLimits: { failures: Number.POSITIVE_INFINITY, failuresInAll: Number.POSITIVE_INFINITY },
      open: {
        rootChain: () => Uint8Array.of(0),
        join: (body) => handleJoin(body, deps as never),
        joinSite: (body) =>
          handleSiteJoin(body, { ...deps, sites: { findInvite: () => null, redeem: () => false } } as never),
        renew: (body) =>
          handleRenew(body, { ...deps, findNode: () => null, recordCertificate: () => undefined } as never),
      },
    })
    return {
      seeds: seedsFor(knownRoutes),
      async run(input) {
        const end = input.indexOf(10)
        const head = new TextDecoder().decode(end < 0 ? input : input.subarray(0, end))
        const [verb = 'GET', url = '/', type = 'json'] = head.split(' ')
        const method = methods.find((known) => known === verb) ?? 'GET'
        const path = url.startsWith('/') ? url : `/${url}`
        // The injector takes no others; on the wire they are refused by Node's parser.
        if (path.includes('/follow') || !URL.canParse(path, 'http://gateway')) return 'not asked'
        const payload = end < 0 ? Buffer.alloc(0) : Buffer.from(input.subarray(end + 1))
        const headers = { 'content-type': types[type] ?? 'text/plain' }
        const answer = await api.inject({ method, url: path, headers, payload })
        if (defects.length > 0) throw defects.pop()
        insist(answer.statusCode < 500 || answer.statusCode === 503, `${head} was answered with ${answer.statusCode}`)
        if (answer.statusCode < 400 || method === 'HEAD') return `${answer.statusCode}`
        const { code, message, mend } = answer.json() as Record<string, unknown>
        insist(
          [code, message, mend].every((part) => typeof part === 'string'),
          `${head} has another form of error`,
        )
        return `${method} ${answer.statusCode} ${String(code)} ${String(message).slice(0, 20)}`
      },
      async close() {
        await api.close()
        for (const step of undo) step()
      },
    }
  },
}
