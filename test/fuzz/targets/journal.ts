import { Image } from '@hypha/agent/report/image.ts'
import { readRecord } from '@hypha/agent/report/records.ts'
import { recover } from '@hypha/agent/report/recovery.ts'
import { crc32 } from '@hypha/core/bytes/crc32.ts'
import type { Files, OpenFile } from '@hypha/core/ports/files.ts'
import { gatewaySource, ledger, open, sampler, settle, turn } from '../../support/journal-run.ts'
import { LossyFiles } from '../../support/lossy-files.ts'
import { outcome, type Prepared, reads, type Target } from '../target.ts'

/** A folder with one file of these bytes, and perhaps another. */
class OneFolder implements Files {
  readonly #files: Map<string, Uint8Array<ArrayBuffer>>

  constructor(files: Readonly<Record<string, Uint8Array>>) {
    this.#files = new Map(Object.entries(files).map(([path, bytes]) => [path, Uint8Array.from(bytes)]))
  }

  read = (path: string) => this.#files.get(path) ?? null
  list = () => [...this.#files.keys()].map((path) => path.split('/')[1]!).sort()
  ensureFolder = () => undefined
  rename = () => undefined
  remove = (path: string) => void this.#files.delete(path)
  syncFolder = async () => undefined

  open(path: string): OpenFile {
    const bytes = this.#files.get(path) ?? new Uint8Array(0)
    return {
      size: () => bytes.length,
      readAt: (at, length) => bytes.slice(at, at + length),
      writeAt: () => undefined,
      truncate: () => undefined,
      sync: async () => undefined,
      close: () => undefined,
    }
  }
}

/** A journal that has been written to: the bytes of its segment. */
async function written(): Promise<Uint8Array> {
  const files = new LossyFiles()
  const journal = await open({ files })
  const at = 1_767_225_600_000
  for (let count = 0; count < 3; count++) {
    journal.append(
      turn({
        input: { source: gatewaySource, number: 7 + count },
        samples: [{ metric: 'temperature', value: 21.5, atMs: at + count }],
        logs: [{ level: 'warn', text: 'dry', atMs: at }],
        messages: [{ topic: 'a/b', payload: Uint8Array.of(1, 2), atMs: at }],
        kv: [
          { key: 'a', value: Uint8Array.of(1) },
          { key: 'b', value: null },
        ],
        state: { release: 'ab'.repeat(32), bytes: Uint8Array.of(3) },
      }),
      [[ledger]],
    )
  }
  journal.event({ instance: sampler, code: 'trapped', text: 'unreachable' })
  await settle()
  const segment = files.list('journal').find((name) => name.endsWith('.log'))!
  return files.read(`journal/${segment}`)!
}

export const journalTarget: Target = {
  name: 'journal',
  about: "a node's journal as a damaged disk gives it back",
  maxBytes: 8_192,
  short: 1_200,
  prepare: async (): Promise<Prepared> => {
    const segment = await written()
    return {
      seeds: [segment],
      run(input) {
        const single = reads(() => recover(new OneFolder({ 'j/1.log': input }), 'j'))
        const after = reads(() => recover(new OneFolder({ 'j/1.log': segment, 'j/2.log': input }), 'j'))
        const checkpoint = reads(() => recover(new OneFolder({ 'j/checkpoint': input, 'j/1.log': segment }), 'j'))
        return [single, after, checkpoint].map(outcome).join('; ')
      },
    }
  },
}

export const recordTarget: Target = {
  name: 'journal-record',
  about: 'one record of a journal whose checksum holds',
  maxBytes: 4_096,
  short: 10_000,
  prepare: async () => {
    const segment = await written()
    const bodies: Uint8Array[] = []
    // Each frame: the length of its body in LEB128, the body, four bytes of checksum.
    for (let at = 0; at < segment.length; ) {
      let [length, scale] = [0, 1]
      for (;;) {
        const byte = segment[at++]!
        length += (byte & 0x7f) * scale
        scale *= 128
        if (byte < 0x80) break
      }
      bodies.push(segment.slice(at, at + length))
      at += length + 4
    }
    const dictionary = () => ({
      instances: [sampler, ledger].map((instance, id) => ({ kind: 'instance', id, ...instance }) as never),
      metrics: ['temperature'],
      lastMs: 0,
    })
    return { seeds: bodies, run: (input) => outcome(reads(() => readRecord(input, dictionary()))) }
  },
}

export const checkpointTarget: Target = {
  name: 'journal-checkpoint',
  about: "a journal's checkpoint whose checksum holds",
  maxBytes: 4_096,
  short: 1_500,
  prepare: async () => {
    const image = new Image(gatewaySource)
    const segment = await written()
    const { image: grown } = recover(new OneFolder({ 'j/1.log': segment }), 'j') ?? { image }
    return {
      seeds: [image.encode(0, 1).slice(4), grown.encode(1, 20).slice(4)],
      run(input) {
        const framed = new Uint8Array(4 + input.length)
        new DataView(framed.buffer).setUint32(0, crc32(input), true)
        framed.set(input, 4)
        const result = reads(() => Image.decode(framed))
        if ('value' in result) reads(() => result.value.image.encode(result.value.covers, result.value.next))
        return outcome(result)
      },
    }
  },
}
