import { type Choice, choose, mostNamed, reachableFrom, whyNotOn } from './choose.ts'
import { isBound, isDeviceBound } from './links.ts'
import type { Scene } from './scene.ts'

/** As `choose`, but for an instance that nothing can hold except the nodes that it is barred from: this one stays where it was. */
export function chooseOrStay(module: string, home: string | null, scene: Scene): Choice {
  const free = choose(module, home, scene)
  if (free.node !== null || !scene.bars.has(module, home)) return free
  const despite = `nothing else can hold it: ${whyNothingElse(module, home, scene).join('; ')}`
  scene.bars.annul(module, home)
  const stays = choose(module, home, scene)
  return stays.node === null ? stays : { ...stays, why: [...stays.why, despite], despite }
}

/** Of the nodes that it is barred from, and of each other one that it could go to. */
function whyNothingElse(module: string, home: string | null, scene: Scene): string[] {
  const { bars, fleet, graph } = scene
  const links = graph.modules.get(module)!
  const reachable = home === null ? fleet : reachableFrom(module, home, scene)
  const barred = reachable.flatMap((node) => bars.reasons(module, home, node))
  const others = reachable
    .filter((node) => !bars.keep(module, home, node))
    .slice(0, mostNamed)
    .flatMap((node) => whyNotOn(module, home, node, scene))
  const sentences = [...barred, ...others].map(({ text }) => text)
  if (home !== null && isBound(links))
    sentences.push(
      `it imports ${links.host.filter(isDeviceBound).join(' and ')}, which is served only where ${home} is`,
    )
  return [...new Set(sentences)]
}
