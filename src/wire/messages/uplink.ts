import { bool, bytes, message, nullable, oneOf, record, type TypeOf, text, uint, union } from '../codec.ts'
import { id, incarnation } from '../ids.ts'
import { forwardBatch } from './forward.ts'

/** By which the broker's TLS listener tells an uplink from MQTT (ALPN, RFC 7301). [P 14.3] */
export const uplinkProtocol = 'hypha-uplink/1'

/** A frame's payload; four bytes of length, big-endian, go before it. */
export const maxUplinkFrameBytes = 1_048_576

/** What a stream through the uplink ends at, on the site's own machine: there is no word for anything else. */
export const tunnelTargets = ['api', 'broker'] as const
export type TunnelTarget = (typeof tunnelTargets)[number]

const streamId = bytes({ exact: 16 })
const empty = record({})

/** From a site. The first one on a connection is `hello` or `stream`. [P 14.3] */
export const siteWord = message(
  'site word',
  union(
    [
      'hello',
      record({
        /** Random, made with the site's queue of telemetry, and anew where that was set back. */
        incarnation: [1, incarnation],
        /** Rows up to this number aren't to come any more. */
        begin: [2, uint()],
      }),
    ],
    ['batch', forwardBatch],
    /** A join URL of the site's own fleet, for the agent that the upstream runs for it. */
    ['invite', record({ url: [1, text(1_024)] })],
    /** The site leaves for good. */
    ['leave', empty],
    /** This connection is the stream that was asked for: all bytes after this frame are its. */
    ['stream', record({ stream: [1, streamId] })],
    ['ping', empty],
  ),
  maxUplinkFrameBytes,
)

export type SiteWord = TypeOf<typeof siteWord>

/** From the upstream. */
export const upstreamWord = message(
  'upstream word',
  union(
    [
      'welcome',
      record({
        site: [1, id],
        /** All rows of this incarnation up to and including this one are stored. */
        upTo: [2, uint()],
        /** Whether the upstream's agent for this site has yet to join the site's fleet. */
        wants: [3, bool],
        /** A fresh certificate (PEM), where little is left of the one that was shown. */
        certificate: [4, nullable(text(8_192))],
      }),
    ],
    /** Everything up to this row is stored, durably. [P 14.7] */
    ['ack', record({ upTo: [1, uint()] })],
    /** The site is to open a stream to the target. */
    ['open', record({ stream: [1, streamId], target: [2, oneOf(...tunnelTargets)] })],
    /** The agent was sent away or lost its keys: it is to be invited anew. */
    ['invite', empty],
    /** The upstream ends this connection, and says why. */
    ['ended', record({ code: [1, text(64)], message: [2, text(1_024)] })],
    ['pong', empty],
  ),
  maxUplinkFrameBytes,
)

export type UpstreamWord = TypeOf<typeof upstreamWord>
