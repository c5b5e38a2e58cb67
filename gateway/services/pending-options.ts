import type { RolloutOptions } from '../distribute/rollout-policy.ts'
import type { MetaStore } from '../store/meta.ts'

/** Of one release of an app at most: a newer one takes the place of one that waits for signatures. */
type Kept = Readonly<Record<string, { readonly number: number; readonly options: RolloutOptions }>>

const key = 'options of pending releases'

/** What whoever pushed a release said of its rollout, until enough have signed it. */
export class PendingOptions {
  readonly #meta: Pick<MetaStore, 'get' | 'put'>

  constructor(meta: Pick<MetaStore, 'get' | 'put'>) {
    this.#meta = meta
  }

  /** What was said later counts over what was said before of the same release. */
  keep(app: string, number: number, options: RolloutOptions): void {
    const said = { ...this.of(app, number), ...options }
    this.#put({ ...this.#kept(), [app]: { number, options: said } })
  }

  of(app: string, number: number): RolloutOptions {
    const kept = this.#kept()[app]
    return kept?.number === number ? kept.options : {}
  }

  forget(app: string): void {
    const { [app]: gone, ...others } = this.#kept()
    if (gone !== undefined) this.#put(others)
  }

  #kept(): Kept {
    const json = this.#meta.get(key)
    return typeof json === 'string' ? (JSON.parse(json) as Kept) : {}
  }

  #put(kept: Kept): void {
    this.#meta.put(key, JSON.stringify(kept))
  }
}
