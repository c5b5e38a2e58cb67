// The memory manager of Hypha's AssemblyScript modules. It stands in for the one of AssemblyScript's `minimal` runtime (~lib/rt/tlsf), whose own bookkeeping
// alone would not fit below 64 KiB; collector.ts, beside it, stands in for the garbage collector above it.
//
// The heap is an arena of HEAP_BYTES behind the static data and the shadow stack, and never grows. Blocks lie in it one after another, at multiples of 8: a
// word with the payload's size and what the block is, a word for whoever has it, the payload. Freeing only changes what it is; allocating goes on from
// where it last ended (next fit) and joins the free blocks that it comes by. Where none is large enough, the garbage is collected first.
//
// The build puts `const HEAP_BYTES: usize = …` before this text.

/** In front of a payload. */
// @ts-ignore: decorator
@inline const HEAD: usize = 8;
/** What a block is: 0 memory that its owner frees, 1 or 2 an object of that color, or free. */
// @ts-ignore: decorator
@inline const KIND: usize = 7;
// @ts-ignore: decorator
@inline const FREE: usize = 4;

// @ts-ignore: decorator
@lazy let start: usize = 0;
// @ts-ignore: decorator
@lazy let end: usize = 0;
// @ts-ignore: decorator
@lazy let rover: usize = 0;

function initialize(): void {
  start = (__heap_base + 7) & ~7;
  end = start + HEAP_BYTES;
  rover = start;
  store<usize>(start, (HEAP_BYTES - HEAD) | FREE);
}

/** Joins a block with the free ones that follow it, and answers their payload together. */
function join(block: usize): usize {
  let payload = load<usize>(block) & ~KIND;
  let next = block + HEAD + payload;
  while (next < end && (load<usize>(next) & FREE)) {
    if (next == rover) rover = block;
    payload += HEAD + (load<usize>(next) & ~KIND);
    next = block + HEAD + payload;
  }
  return payload;
}

/** Takes `need` of a block's `payload` as what `kind` says, gives back the rest, and answers where the next block begins. */
function take(block: usize, payload: usize, need: usize, kind: usize): usize {
  if (payload > need) {
    const rest = block + HEAD + need;
    store<usize>(block, need | kind);
    store<usize>(rest, (payload - need - HEAD) | FREE);
    return rest;
  }
  store<usize>(block, payload | kind);
  return block + HEAD + payload;
}

/** A free block with room; 0 where there is none. */
function find(need: usize): usize {
  let block = rover;
  for (let passes = 0; passes < 2; ) {
    if (load<usize>(block) & FREE) {
      const payload = join(block);
      if (payload >= need) {
        const next = take(block, payload, need, 0);
        rover = next < end ? next : start;
        return block;
      }
      store<usize>(block, payload | FREE);
    }
    block += HEAD + (load<usize>(block) & ~KIND);
    if (block >= end) {
      block = start;
      passes++;
    }
  }
  return 0;
}

/** All objects of a color are free. */
export function sweep(color: usize): void {
  for (let block = start; block < end; block += HEAD + (load<usize>(block) & ~KIND)) {
    const info = load<usize>(block);
    if ((info & KIND) == color) store<usize>(block, (info & ~KIND) | FREE);
  }
}

/** Gives a block another size where it lies; false where what follows it isn't free, or too little. */
export function resize(block: usize, size: usize): bool {
  const need = (size + 7) & ~7, kind = load<usize>(block) & KIND;
  const payload = join(block);
  take(block, payload, min(payload, need), kind);
  return payload >= need;
}

// @ts-ignore: decorator
@unsafe @global
export function __alloc(size: usize): usize {
  if (!rover) initialize();
  if (size > HEAP_BYTES) unreachable();
  const need = (size + 7) & ~7;
  let block = find(need);
  if (!block) {
    __collect();
    block = find(need);
    // The heap is full: `heap` in hypha.toml makes it larger.
    if (!block) unreachable();
  }
  return block + HEAD;
}

// @ts-ignore: decorator
@unsafe @global
export function __realloc(ptr: usize, size: usize): usize {
  if (resize(ptr - HEAD, size)) return ptr;
  const moved = __alloc(size);
  memory.copy(moved, ptr, load<usize>(ptr - HEAD) & ~KIND);
  __free(ptr);
  return moved;
}

// @ts-ignore: decorator
@unsafe @global
export function __free(ptr: usize): void {
  const block = ptr - HEAD;
  store<usize>(block, (load<usize>(block) & ~KIND) | FREE);
}
