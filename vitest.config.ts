import { defineConfig } from 'vitest/config'

// What starts fleets of real processes: these have the machine for themselves, one after the other, when all else is done.
const fleets = ['test/scenarios/**/*.test.ts', 'test/hostile/live/**/*.test.ts', 'test/hostile/mutations.test.ts']

export default defineConfig({
  test: {
    // A slow machine must not fail them.
    testTimeout: 60_000,
    // Hooks build: firmware with sanitizers, an agent's bundle.
    hookTimeout: 300_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: fleets,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'fleets',
          include: fleets,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          // They wait for conditions, each with a limit of its own that says what was awaited: this one is beyond several of those.
          testTimeout: 480_000,
          hookTimeout: 480_000,
        },
      },
    ],
  },
})
