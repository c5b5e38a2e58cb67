const stateDelayMs = 20

/** Many changes at once make one message. */
export function stateSender(send: () => void): () => void {
  let scheduled = false
  return () => {
    if (scheduled) return
    scheduled = true
    setTimeout(() => {
      scheduled = false
      send()
    }, stateDelayMs)
  }
}
