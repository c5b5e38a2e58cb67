#!/usr/bin/env node
// JavaScript, because the first files are read before there is a cache: were they TypeScript, Node would load what strips its types at each start, which takes
// 40 ms and 16 MB.
import './compile-cache.js'

await import('./main.ts')
