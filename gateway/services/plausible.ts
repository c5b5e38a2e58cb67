import { HyphaError } from '@hypha/core/errors.ts'
import type { Directive } from '@hypha/core/trust/directive.ts'
import type { Store } from '../store/store.ts'

/** More directives, or activations of an app, than any gateway makes between two backups. */
const maxJump = 1_000_000
/** By how much clocks of an honest gateway may have differed. */
const maxAheadMs = 86_400_000

/**
 * Throws `directive-versions-spent` for a proof whose counters no honest gateway would have come to. Whoever has stolen the gateway's key can raise them as high as they go; a gateway that
 * went on from there had none left, also after the key was replaced. As it is, the node alone is blocked, and until then only.
 */
export function checkPlausible(
  proven: Directive,
  { store, now }: { readonly store: Store; readonly now: number },
): void {
  const refuse = (what: string) => {
    const text = `${proven.node} proves to hold a directive with ${what}, which this gateway can't have made`
    throw new HyphaError('directive-versions-spent', text, { where: proven.node })
  }
  if (proven.version > store.directives.version(proven.node) + maxJump) refuse(`the version ${proven.version}`)
  for (const { app, epoch, chosenMs } of proven.sections) {
    const known = Math.max(store.apps.latestPlan(app)?.epoch ?? 0, store.epochs.of(app).floor)
    if (epoch > known + maxJump) refuse(`epoch ${epoch} of ${app}`)
    if ((chosenMs ?? 0) > now + maxAheadMs)
      refuse(`a choice of ${app} in ${new Date(Math.min(chosenMs!, 8.64e15)).getUTCFullYear()}`)
  }
}
