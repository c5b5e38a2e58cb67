import { expect, test } from 'vitest'
import { buildApp } from '../../../gateway/push/build/build.ts'
import { idleDrives } from '../../../gateway/push/drives.ts'
import { makeRelease } from '../../../gateway/push/release.ts'
import { nodeCrypto } from '../../../src/platform/crypto.ts'
import { appOf } from './app-folder.ts'

const source = `#include <hypha.h>
#include <hypha/host/log.h>
#include <hypha/module/timer.h>
void hypha_module_timer_tick(uint64_t now_ms) { (void)now_ms; }
`

async function toldOf(manifest: string): Promise<string[]> {
  const dir = appOf({ 'hypha.toml': `[app]\nname = "plants"\n\n[module.part]\n${manifest}`, 'part/part.c': source })
  const modules = (await buildApp(dir)).map(({ name, component, manifest: { spec } }) => ({ name, component, spec }))
  const app = { fleet: 'test', app: 'plants', number: 1, label: '', createdMs: 0, floor: 0, modules }
  return idleDrives(makeRelease(app, nodeCrypto))
}

test('A module that is driven as it is built is nothing to tell of', async () => {
  expect(await toldOf('timer = "1s"\n')).toEqual([])
})

test('What is never called, and what there is nothing to call for, is told', async () => {
  expect(await toldOf('subscribe = ["climate/#"]\n')).toEqual([
    'part has a tick, and hypha.toml no timer for it: it is never called',
    'part subscribes in hypha.toml, and has no deliver to hear with',
  ])
})
