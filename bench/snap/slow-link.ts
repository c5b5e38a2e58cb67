import type { Clock } from '@hypha/core/ports/clock.ts'
import type { Link } from '../../agent/link/link.ts'
import type { Shape } from './messages.ts'

/** A link on which each message takes its time in both directions, and none overtakes another. */
export function slowLink(
  link: Link,
  shape: Pick<Shape, 'thereMs' | 'backMs' | 'jitterMs'>,
  { clock, random }: { readonly clock: Clock; readonly random: () => number },
): Link {
  const there = inOrder(clock, () => shape.thereMs + random() * shape.jitterMs)
  const back = inOrder(clock, () => shape.backMs + random() * shape.jitterMs)
  return {
    get state() {
      return link.state
    },
    get alive() {
      return link.alive
    },
    onState: (listener) => link.onState(listener),
    publish: (topic, payload, options) =>
      new Promise((resolve, reject) => {
        there(() => link.publish(topic, payload, options).then(resolve, reject))
      }),
    subscribe: (filter, handler) =>
      link.subscribe(filter, (topic, payload) => {
        back(() => handler(topic, payload))
      }),
    renew: (renewed) => link.renew(renewed),
    close: () => link.close(),
  }
}

/** Runs what it is given after a delay, in the order in which it was given. */
function inOrder(clock: Clock, delayMs: () => number): (run: () => void) => void {
  let due = 0
  const queue: (() => void)[] = []
  return (run) => {
    const delay = delayMs()
    if (delay === 0 && queue.length === 0) return run()
    due = Math.max(due, clock.monotonic() + delay)
    queue.push(run)
    clock.after(due - clock.monotonic(), () => queue.shift()!())
  }
}
