// What the generated bindings stand on: the canonical ABI's memory (component model, CanonicalABI.md) for AssemblyScript.

/** The last block that lives until `release`; the word in front of each is its owner's, and has the one before it. */
let chain: usize = 0;

/** Memory that lives until the next `release`; its address is a multiple of 8. */
export function scratch(size: usize): usize {
  const block = __alloc(size);
  store<usize>(block - 4, chain);
  chain = block;
  return block;
}

/** Frees all scratch memory. Each call of an import, and each call of an export, ends with it. */
export function release(): void {
  while (chain) {
    const before = load<usize>(chain - 4);
    __free(chain);
    chain = before;
  }
}

/** How the host asks for memory: for what it returns from imports, and for parameters of exports. */
export function cabi_realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  if (!size) return align;
  const block = scratch(size);
  if (old) memory.copy(block, old, min(oldSize, size));
  return block;
}

// The names `load` and `store` may be taken by the functions of an interface: bindings use these.

// @ts-ignore: decorator
@inline export function get<T>(at: usize): T { return load<T>(at); }
// @ts-ignore: decorator
@inline export function put<T>(at: usize, value: T): void { store<T>(at, value); }
// @ts-ignore: decorator
@inline export function bits<T, F>(value: F): T { return reinterpret<T>(value); }

/** The value of a field that a case doesn't have. */
// @ts-ignore: decorator
@inline export function none<T>(): T {
  if (isReference<T>()) return changetype<T>(<usize>0);
  return <T>0;
}

export function utf8Length(text: string): i32 {
  return String.UTF8.byteLength(text);
}

/** Writes a string's UTF-8 into scratch memory; half surrogates become U+FFFD. */
export function lowerString(text: string, bytes: i32): usize {
  const at = scratch(bytes);
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, at, false, String.UTF8.ErrorMode.REPLACE);
  return at;
}

export function liftString(at: usize, bytes: i32): string {
  return String.UTF8.decodeUnsafe(at, bytes);
}

export function liftBytes(at: usize, length: i32): Uint8Array {
  const bytes = new Uint8Array(length);
  memory.copy(bytes.dataStart, at, length);
  return bytes;
}

export function putString(at: usize, text: string): void {
  const bytes = utf8Length(text);
  store<usize>(at, lowerString(text, bytes));
  store<i32>(at, bytes, 4);
}

/** No copy: the array lives at least as long as the call. */
export function putBytes(at: usize, bytes: Uint8Array): void {
  store<usize>(at, bytes.dataStart);
  store<i32>(at, bytes.length, 4);
}

export function getString(at: usize): string {
  return liftString(load<usize>(at), load<i32>(at, 4));
}

export function getBytes(at: usize): Uint8Array {
  return liftBytes(load<usize>(at), load<i32>(at, 4));
}
