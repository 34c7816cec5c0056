import { openStage } from './taint-stage.ts'
import { play, openSealed } from './taint-play.ts'
import { openFinder } from './taint-search.ts'
import { searchEverything } from './taint-sinks.ts'
const people = Number(process.argv[2] ?? 40)
console.time('all')
const stage = await openStage({ withRedis: true })
try {
  console.time('play')
  const played = await play(stage, { people, everything: process.argv[3] !== 'small' })
  console.timeEnd('play')
  console.log(played)
  console.time('build')
  const finder = openFinder(stage.book.canaries())
  console.timeEnd('build')
  console.log('opened', await openSealed(stage, finder.find))
  console.time('search')
  const r = await searchEverything(stage, finder)
  console.timeEnd('search')
  console.log(r.bytes, r.places, stage.book.people(), finder.patterns)
  const byPlace: Record<string, Set<string>> = {}
  for (const h of r.hits) (byPlace[`${h.sink} | ${h.place}`] ??= new Set()).add(`${h.field}/${h.form}`)
  for (const [k, v] of Object.entries(byPlace)) console.log(k, [...v].join(' '))
  if (process.env.DUMP)
    for (const s of stage.capture.sinks())
      if (s.kind === process.env.DUMP)
        console.log('----', s.place, '\n', Buffer.from(s.bytes).toString().slice(0, 3000))
} catch (e) {
  console.log(e)
  for (const s of stage.capture.sinks())
    if (s.kind === 'process logs' || s.kind === 'command output')
      console.log('----', s.place, Buffer.from(s.bytes).toString().slice(-1500))
} finally {
  await stage.close()
  console.timeEnd('all')
}
