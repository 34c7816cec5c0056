import { openStage } from './taint-stage.ts'
import * as P from './taint-play.ts'
console.time('stage')
const stage = await openStage({ withRedis: true })
console.timeEnd('stage')
const c = stage.command,
  s = stage.start
const t0 = performance.now()
const wrap = {
  ...stage,
  command: async (n: string, ...r: any[]) => {
    const a = performance.now()
    const o = await (c as any)(n, ...r)
    console.log(Math.round(a - t0), 'cmd', n, Math.round(performance.now() - a))
    return o
  },
  start: async (n: string, ...r: any[]) => {
    const a = performance.now()
    const o = await (s as any)(n, ...r)
    console.log(Math.round(a - t0), 'start', n, Math.round(performance.now() - a))
    return o
  },
}
console.time('play')
await P.play(wrap as any, { people: 40, everything: process.argv[2] !== 'small' })
console.timeEnd('play')
console.time('close')
await stage.close()
console.timeEnd('close')
