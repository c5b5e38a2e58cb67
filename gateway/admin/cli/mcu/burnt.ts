import { toUtf8 } from '@hypha/core/bytes/text.ts'

/** What is burnt into a firmware: whom the board believes, and who it is. */
export interface Burnt {
  /** Payload of the newest root metadata; null: the board believes nobody. */
  readonly root: Uint8Array | null
  /** By which the gateway accepts the board by itself, at most 64 bytes; null: it is pending until somebody accepts it. */
  readonly invite: Uint8Array | null
  /** The board's id; null: it is made of its key. */
  readonly id: string | null
  /** 32 secret bytes for a board without entropy of its own; such an image is for one board only. */
  readonly seed: Uint8Array | null
}

/** The C file that carries it, for `make BURNT=…`; see firmware/burnt.h. */
export function burntSource({ root, invite, id, seed }: Burnt): string {
  const arrays: string[] = []
  const spans = Object.entries({ root, invite, id: id === null ? null : toUtf8(id), seed }).flatMap(([name, bytes]) => {
    if (bytes === null || bytes.length === 0) return []
    arrays.push(`static const uint8_t ${name}[] = {${[...bytes].join(', ')}};`)
    return [`    .${name} = {${name}, sizeof ${name}},`]
  })
  const facts = ['const burnt_facts burnt = {', ...(spans.length > 0 ? spans : ['    .root = {NULL, 0},']), '};']
  return ['#include "burnt.h"', '', ...arrays, '', ...facts, ''].join('\n')
}
