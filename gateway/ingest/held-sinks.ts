/** What is told between `hold` and `release` is told at `release`, in the same order; what is dropped, never. */
interface HeldSinks<S> {
  readonly sinks: S
  hold(): void
  release(): void
  drop(): void
}

type Tellings<S> = { readonly [Name in keyof S]: (...args: never[]) => void }

/** Puts a gate before sinks: for what must not be told before it was committed. */
export function holdSinks<S extends Tellings<S>>(target: S): HeldSinks<S> {
  let held: (() => void)[] | null = null
  const gates = Object.entries(target).map(([name, tell]) => [
    name,
    (...args: never[]) => {
      const telling = () => (tell as (...args: never[]) => void)(...args)
      if (held) held.push(telling)
      else telling()
    },
  ])
  return {
    sinks: Object.fromEntries(gates) as S,
    hold() {
      held = []
    },
    release() {
      const telling = held ?? []
      held = null
      for (const tell of telling) tell()
    },
    drop() {
      held = null
    },
  }
}
