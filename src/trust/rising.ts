import { HyphaError } from '../errors.ts'
import type { Directive } from './directive.ts'

/**
 * A gateway that was restored from a backup may come to a higher version by itself, without knowing what it had asked for in between. An app's epochs never fall, and no release that was
 * chosen earlier takes the place of one that was chosen later: so it can't put a node back unawares. Throws
 * `directive-rollback`. [P 6.3]
 */
export function checkRising(held: Directive, next: Directive): void {
  for (const { app, phase, epoch, chosenMs } of next.sections) {
    const before = held.sections.find((section) => section.app === app && section.phase === 'run')
    if (before === undefined) continue
    // What is only prepared yet comes after what runs. One to prepare may be dropped, and another prepared in its place.
    if (epoch < before.epoch || (phase === 'prepare' && epoch === before.epoch)) {
      const text = `Directive ${next.version} asks to ${phase} epoch ${epoch} of ${app}, and epoch ${before.epoch} is held`
      throw new HyphaError('directive-rollback', text)
    }
    if ((chosenMs ?? 0) >= (before.chosenMs ?? 0)) continue
    const text = `Directive ${next.version} asks to ${phase} a release of ${app} that was chosen before the one that is held`
    throw new HyphaError('directive-rollback', text)
  }
}
