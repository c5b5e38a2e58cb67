// The garbage collector of Hypha's AssemblyScript modules. It stands in for the one of AssemblyScript's `minimal` runtime (~lib/rt/tcms), which can only
// run between turns, and takes 8 bytes more of each object. This one marks what globals and the shadow stack reach and frees the rest, whenever the heap is
// full; so a heap has to hold what a turn needs at one time, not all that it ever made.
//
// An object is a block of allocator.ts with its color, 1 or 2: what a collection reaches gets the color that is the other one from then on. The block's
// second word links what was reached and not yet looked through. Static objects have 0 in both until they are reached.

import { resize, sweep } from "./tlsf";
import { OBJECT, OBJECT_MAXSIZE } from "./common";

/** From a block to its object: the block's head, then the object's type and size. */
// @ts-ignore: decorator
@inline const OBJECT_HEAD: usize = 16;

/** The color of new objects, and of those that the collection before reached. */
// @ts-ignore: decorator
@lazy let color: usize = 1;
/** The first of those that were reached and not yet looked through. */
// @ts-ignore: decorator
@lazy let reached: usize = 0;

// @ts-ignore: decorator
@inline function header(ptr: usize): OBJECT {
  return changetype<OBJECT>(ptr - offsetof<OBJECT>());
}

// @ts-ignore: decorator
@global @unsafe
export function __new(size: usize, id: i32): usize {
  if (size > OBJECT_MAXSIZE) unreachable();
  const block = __alloc(size + 8) - 8;
  store<usize>(block, load<usize>(block) | color);
  const ptr = block + OBJECT_HEAD;
  header(ptr).rtId = id;
  header(ptr).rtSize = <u32>size;
  // It may be looked through before its constructor has filled it.
  memory.fill(ptr, 0, size);
  return ptr;
}

// @ts-ignore: decorator
@global @unsafe
export function __renew(ptr: usize, size: usize): usize {
  if (ptr >= __heap_base && resize(ptr - OBJECT_HEAD, size + 8)) {
    header(ptr).rtSize = <u32>size;
    return ptr;
  }
  // The one before stays as it is: the shadow stack may refer to it.
  const moved = __new(size, header(ptr).rtId);
  memory.copy(moved, ptr, min<usize>(size, header(ptr).rtSize));
  return moved;
}

// @ts-ignore: decorator
@global @unsafe
export function __link(parent: usize, child: usize, expectMultiple: bool): void {
  // Nothing runs while a collection goes on.
}

// @ts-ignore: decorator
@global @unsafe
export function __visit(ptr: usize, cookie: i32): void {
  if (!ptr) return;
  const block = ptr - OBJECT_HEAD, info = load<usize>(block);
  const black = color ^ 3;
  if ((info & 3) == black) return;
  store<usize>(block, (info & ~3) | black);
  store<usize>(block, reached, 4);
  reached = ptr;
}

// @ts-ignore: decorator
@global @unsafe
export function __collect(): void {
  __visit_globals(0);
  for (let at = __stack_pointer; at < __heap_base; at += sizeof<usize>()) __visit(load<usize>(at), 0);
  while (reached) {
    const ptr = reached;
    reached = load<usize>(ptr - OBJECT_HEAD, 4);
    __visit_members(ptr, 0);
  }
  sweep(color);
  color ^= 3;
}
