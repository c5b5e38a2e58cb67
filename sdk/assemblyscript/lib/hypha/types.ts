// WIT types that AssemblyScript has no word for.

/** What a result holds where WIT writes `_`. */
export type Unit = u8;
export const unit: Unit = 0;

/** `result<T, E>`: `isOk` says which of `value` and `error` may be read; reading the other one traps. */
export class Result<T, E> {
  constructor(readonly isOk: bool, private held: T, private failure: E) {}

  get value(): T {
    assert(this.isOk);
    return this.held;
  }

  get error(): E {
    assert(!this.isOk);
    return this.failure;
  }
}

function nothing<T>(): T {
  if (isReference<T>()) return changetype<T>(<usize>0);
  return <T>0;
}

export function ok<T, E>(value: T): Result<T, E> {
  return new Result<T, E>(true, value, nothing<E>());
}

export function err<T, E>(error: E): Result<T, E> {
  return new Result<T, E>(false, nothing<T>(), error);
}

/** `option<T>` where `T` is a number or itself optional; options of strings, lists and records are `T | null`. */
export class Option<T> {
  constructor(readonly isSome: bool, private held: T) {}

  get value(): T {
    assert(this.isSome);
    return this.held;
  }
}

export function some<T>(value: T): Option<T> {
  return new Option<T>(true, value);
}

export function none<T>(): Option<T> {
  return new Option<T>(false, nothing<T>());
}

export class Tuple1<A> {
  constructor(public item0: A) {}
}
export class Tuple2<A, B> {
  constructor(public item0: A, public item1: B) {}
}
export class Tuple3<A, B, C> {
  constructor(public item0: A, public item1: B, public item2: C) {}
}
export class Tuple4<A, B, C, D> {
  constructor(public item0: A, public item1: B, public item2: C, public item3: D) {}
}
export class Tuple5<A, B, C, D, E> {
  constructor(public item0: A, public item1: B, public item2: C, public item3: D, public item4: E) {}
}
export class Tuple6<A, B, C, D, E, F> {
  constructor(public item0: A, public item1: B, public item2: C, public item3: D, public item4: E, public item5: F) {}
}
export class Tuple7<A, B, C, D, E, F, G> {
  constructor(public item0: A, public item1: B, public item2: C, public item3: D, public item4: E, public item5: F, public item6: G) {}
}
export class Tuple8<A, B, C, D, E, F, G, H> {
  constructor(public item0: A, public item1: B, public item2: C, public item3: D, public item4: E, public item5: F, public item6: G, public item7: H) {}
}
