import { beforeAll, describe, expect, it } from 'vitest'
import { buildApp } from '../../../gateway/push/build/build.ts'
import { appOf, folderForFile } from './app-folder.ts'
import { startGuest, text } from './guest.ts'

// An AssemblyScript module whose turn makes far more than its heap holds: what it can still reach stays as it is, all else makes room.

const dir = folderForFile()
const components = new Map<string, Uint8Array>()

const source = `
import { publish } from "hypha/host/messages";

class Link {
  constructor(public value: i32, public next: Link | null) {}
}
class Kept {
  constructor(public name: string, public values: Array<i32>) {}
}
/** Reached by a global; its members were made in turns before. */
const kept = new Map<string, Kept>();
const fixed: StaticArray<string> = ["a", "b", "c"];
const buried = new StaticArray<Kept>(3);

/** A chain of so many, longer than any stack of calls; the sum of what stands in it. */
function chain(length: i32): i64 {
  let first: Link | null = null;
  for (let i = 0; i < length; i++) first = new Link(i, first);
  for (let i = 0; i < 200; i++) new Link(i, first);
  let sum: i64 = 0;
  let at = first;
  while (at) {
    sum += at.value;
    at = at.next;
  }
  return sum;
}

/** Strings that grow while others are thrown away. */
function words(count: i32): string {
  let all = "";
  for (let i = 0; i < count; i++) all += fixed[i % 3] + i.toString().padStart(3, "0").slice(1);
  return all;
}

function sorted(count: i32): string {
  const values = new Array<string>();
  for (let i = 0; i < count; i++) values.push(((i * 7919) % 101).toString());
  values.sort((a, b) => I32.parseInt(a) - I32.parseInt(b));
  return values.map<string>((value) => "<" + value + ">").join("");
}

export function tick(nowMs: u64): void {
  const turn = <i32>nowMs;
  const name = "kept-" + (turn % 5).toString();
  const values = new Array<i32>();
  for (let i = 0; i <= turn % 20; i++) values.push(turn + i);
  kept.set(name, new Kept(name + "!", values));
  buried[turn % 3] = kept.get(name);
  const sum = chain(100 + (turn % 50)), said = words(40), order = sorted(30);
  let held = "";
  for (let i = 0; i < 5; i++) {
    const key = "kept-" + i.toString();
    if (!kept.has(key)) continue;
    const each = kept.get(key);
    held += each.name + each.values.map<string>((value) => value.toString()).join("+") + ";";
  }
  const last = buried[turn % 3].values[0];
  publish("out", Uint8Array.wrap(String.UTF8.encode(\`\${sum} \${said} \${order} \${held} \${last}\`)));
}
`

beforeAll(async () => {
  const module = (name: string, heap: string) =>
    `[module.${name}]\nsource = "main"\npublish = ["out"]\nheap = "${heap}"\n`
  const manifest = `[app]\nname = "garbage"\n${module('small', '16KiB')}${module('large', '1MiB')}`
  appOf({ 'hypha.toml': manifest, 'main/assembly/index.ts': source }, dir)
  for (const { name, component } of await buildApp(dir)) components.set(name, component)
}, 240_000)

describe('The collector of AssemblyScript modules', () => {
  it('changes nothing of what a module says, however often it has to run in the middle of a turn', () => {
    const said = [...components.values()].map((component) => {
      const all: string[] = []
      const publish = (_topic: string, payload: Uint8Array) => {
        all.push(text(payload))
        return { tag: 'ok' }
      }
      const guest = startGuest(component, { 'hypha:host/messages': { publish } })
      for (let turn = 0; turn < 400; turn++) guest.call('hypha:module/timer', 'tick', BigInt(turn))
      return all
    })
    expect(said[0]).toHaveLength(400)
    expect(said[0]).toEqual(said[1])
    expect(said[0]![7]).toMatch(/^5671 a00b01c02.* <0>.* kept-0!5\+6.*;kept-2!7\+8.* 7$/)
  })
})
