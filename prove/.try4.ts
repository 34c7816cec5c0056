import { judgeMutations } from './taint-mutations.ts'
const t = performance.now()
for (let i = 1; i <= 1; i++) console.log(await judgeMutations(6).catch((e) => ['failed', e]), performance.now() - t)
