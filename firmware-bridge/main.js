#!/usr/bin/env node
import { handOver, isCurrent } from '@hypha/core/platform/older-node.js'

if (isCurrent) await import('./main.ts')
else handOver(import.meta.filename)
