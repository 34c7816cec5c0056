import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // The whole run shares one machine with the PostgreSQL server that it starts; CI runners have two cores.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 40_000,
  },
})
