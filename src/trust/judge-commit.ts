import { bytesEqual } from '../bytes/text.ts'
import { HyphaError } from '../errors.ts'
import type { Commit } from './commit.ts'
import type { Directive, Section } from './directive.ts'

/**
 * What a commit, whose signature was checked, means to a node that holds this directive. `acts`: its section is to be run at the instant. `waits`: the directive has no such
 * section yet, or the node is in a later wave. `over`: that epoch is to be run anyway, or a later one took its place.
 */
export type CommitOutcome =
  | { readonly kind: 'acts'; readonly commit: Commit; readonly section: Section }
  | { readonly kind: 'waits'; readonly commit: Commit }
  | { readonly kind: 'over'; readonly commit: Commit }

/** Throws `commit-mismatch`: it names another release than the directive for the same epoch. [P 10.4] */
export function judgeCommit(commit: Commit, directive: Directive | null): CommitOutcome {
  const sections = directive?.sections.filter(({ app }) => app === commit.app) ?? []
  const named = sections.find(({ epoch }) => epoch === commit.epoch)
  if (named === undefined) {
    const newest = Math.max(0, ...sections.map(({ epoch }) => epoch))
    return { kind: commit.epoch > newest ? 'waits' : 'over', commit }
  }
  if (!bytesEqual(named.release, commit.release)) {
    throw new HyphaError(
      'commit-mismatch',
      `The commit of epoch ${commit.epoch} of ${commit.app} is for another release than the directive has in that epoch`,
    )
  }
  if (named.phase === 'run') return { kind: 'over', commit }
  if (named.wave === null || named.wave > commit.wave) return { kind: 'waits', commit }
  return { kind: 'acts', commit, section: named }
}
