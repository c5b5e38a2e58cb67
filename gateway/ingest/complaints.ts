/** Something about a node that its operator should know, and that may come a thousand times a second. */
export interface Complaint {
  readonly node: string
  readonly code: string
  readonly text: string
  /** ms since 1970. */
  readonly at: number
}

/**
 * Lets through one complaint of a kind about a node per `everyMs`, with the number of those that were like it since: a hostile or broken node can't fill the
 * gateway's disk with its own faults.
 */
export function createComplaints(everyMs = 60_000, maxRemembered = 10_000) {
  const remembered = new Map<string, { at: number; more: number }>()
  let waiting: Complaint[] = []
  return {
    add(complaint: Complaint): void {
      const key = `${complaint.node}/${complaint.code}`
      const before = remembered.get(key)
      if (before && complaint.at - before.at < everyMs && complaint.at >= before.at) {
        before.more++
        return
      }
      if (remembered.size >= maxRemembered) remembered.clear()
      remembered.set(key, { at: complaint.at, more: 0 })
      const more = before && before.more > 0 ? ` (and ${before.more} more of this kind before)` : ''
      waiting.push({ ...complaint, text: complaint.text + more })
    },
    get empty(): boolean {
      return waiting.length === 0
    },
    /** Those that are to be written down; they are handed out once. */
    take(): Complaint[] {
      const taken = waiting
      waiting = []
      return taken
    },
  }
}

export type Complaints = ReturnType<typeof createComplaints>
