import { changesOf, decodeDraft, encodeDraft, makeDraft, standingsOf } from '../../../gateway/keys/root-draft.ts'
import { keys, makeRoot, signRoot, startMs } from '../../support/signed.ts'
import { outcome, reads, type Target } from '../target.ts'

export const rootDraftTarget: Target = {
  name: 'root-draft',
  about: 'a draft of root metadata that goes from hand to hand',
  short: 600,
  prepare: () => ({
    seeds: [encodeDraft(makeDraft(signRoot(makeRoot()), { expiresMs: startMs + 1 }, [keys.root]))],
    run(input) {
      const result = reads(() => decodeDraft(input))
      if ('refused' in result) return outcome(result)
      return `read, ${changesOf(result.value).length} changes, ${standingsOf(result.value).length} standings`
    },
  }),
}
