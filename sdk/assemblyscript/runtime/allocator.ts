// The memory manager of Hypha's AssemblyScript modules. It stands in for the one of AssemblyScript's `minimal` runtime (~lib/rt/tlsf), whose
// own bookkeeping alone would not fit below 64 KiB; the garbage collector above it (~lib/rt/tcms) is AssemblyScript's own.
//
// The heap is an arena of HEAP_BYTES right behind the static data, and never grows. Blocks lie in it one after another: a word with the
// payload's size and the flag FREE, then the payload, whose address is a multiple of 16. Freeing only sets the flag; allocating goes on from
// where it last ended (next fit) and joins the free blocks that it comes by.
//
// The build puts `const HEAP_BYTES: usize = …` before this text.

import { AL_MASK, BLOCK_OVERHEAD } from "./common";

// @ts-ignore: decorator
@inline const FREE: usize = 1;
// @ts-ignore: decorator
@inline const FLAGS: usize = 3;
/** A smaller rest is not worth a block of its own. */
// @ts-ignore: decorator
@inline const SMALLEST: usize = 16;

// @ts-ignore: decorator
@lazy let start: usize = 0;
// @ts-ignore: decorator
@lazy let end: usize = 0;
// @ts-ignore: decorator
@lazy let rover: usize = 0;

function initialize(): void {
  start = ((__heap_base + BLOCK_OVERHEAD + AL_MASK) & ~AL_MASK) - BLOCK_OVERHEAD;
  end = start + HEAP_BYTES;
  rover = start;
  store<usize>(start, (HEAP_BYTES - BLOCK_OVERHEAD) | FREE);
}

// @ts-ignore: decorator
@inline function payloadOf(size: usize): usize {
  return ((size + BLOCK_OVERHEAD + AL_MASK) & ~AL_MASK) - BLOCK_OVERHEAD;
}

/** Joins a block with the free ones that follow it, and answers their payload together. */
function join(block: usize): usize {
  let payload = load<usize>(block) & ~FLAGS;
  let next = block + BLOCK_OVERHEAD + payload;
  while (next < end && (load<usize>(next) & FREE)) {
    if (next == rover) rover = block;
    payload += BLOCK_OVERHEAD + (load<usize>(next) & ~FLAGS);
    next = block + BLOCK_OVERHEAD + payload;
  }
  return payload;
}

/** Takes `need` of a block's `payload`, gives back the rest, and answers where the next block begins. */
function take(block: usize, payload: usize, need: usize): usize {
  if (payload - need >= SMALLEST) {
    store<usize>(block, need);
    const rest = block + BLOCK_OVERHEAD + need;
    store<usize>(rest, (payload - need - BLOCK_OVERHEAD) | FREE);
    return rest;
  }
  store<usize>(block, payload);
  return block + BLOCK_OVERHEAD + payload;
}

// @ts-ignore: decorator
@unsafe @global
export function __alloc(size: usize): usize {
  if (!rover) initialize();
  if (size > HEAP_BYTES) unreachable();
  const need = payloadOf(size);
  let block = rover;
  for (let passes = 0; passes < 2; ) {
    if (load<usize>(block) & FREE) {
      const payload = join(block);
      if (payload >= need) {
        const next = take(block, payload, need);
        rover = next < end ? next : start;
        return block + BLOCK_OVERHEAD;
      }
      store<usize>(block, payload | FREE);
    }
    block += BLOCK_OVERHEAD + (load<usize>(block) & ~FLAGS);
    if (block >= end) {
      block = start;
      passes++;
    }
  }
  // The heap is full: `heap` in hypha.toml makes it larger.
  unreachable();
  return 0;
}

// @ts-ignore: decorator
@unsafe @global
export function __realloc(ptr: usize, size: usize): usize {
  const block = ptr - BLOCK_OVERHEAD;
  const need = payloadOf(size);
  const had = load<usize>(block) & ~FLAGS;
  if (had >= need) return ptr;
  const payload = join(block);
  if (payload >= need) {
    take(block, payload, need);
    return ptr;
  }
  store<usize>(block, payload);
  const moved = __alloc(size);
  memory.copy(moved, ptr, had);
  __free(ptr);
  return moved;
}

// @ts-ignore: decorator
@unsafe @global
export function __free(ptr: usize): void {
  const block = ptr - BLOCK_OVERHEAD;
  store<usize>(block, load<usize>(block) | FREE);
}
