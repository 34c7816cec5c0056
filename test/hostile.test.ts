import { expect, test } from 'vitest'
import { proveDoor } from '../prove/hostile-door.ts'
import { proveHostile } from '../prove/hostile.ts'

test(
  'hostile inputs come to their coded end, in bounded memory, and hurt no other source',
  { timeout: 180_000 },
  async () => {
    const verdict = await proveHostile({ together: 20 })
    expect(verdict.failed).toEqual([])
    expect(verdict.ok).toBe(true)
  },
)

test(
  'a running product refuses every kind of attack, grows little, and ends connections that dribble',
  { timeout: 180_000 },
  async () => {
    // How soon others are answered is judged by the proof in full, because here the machine runs other tests too.
    const { failed, megabytes, probe, slow, answers } = await proveDoor({ every: 25 })
    expect(failed.filter((line) => !/: 4\d\d after/.test(line))).toEqual([])
    expect(megabytes).toBeLessThanOrEqual(150)
    expect(probe.failed).toBe(0)
    expect(slow.ended).toBe(slow.opened)
    expect(Object.keys(answers).filter((status) => status >= '500')).toEqual([])
  },
)
