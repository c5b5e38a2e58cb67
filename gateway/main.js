#!/usr/bin/env node
// JavaScript, because the first files are read before there is a cache: were they TypeScript, Node would load what strips its types at each start, which takes
// 40 ms and 16 MB. And because an older Node must be told what to do instead of failing on its syntax.
import { handOver, isCurrent } from '@hypha/core/platform/older-node.js'

if (isCurrent) {
  await import('./compile-cache.js')
  await import('./main.ts')
} else handOver(import.meta.filename)
