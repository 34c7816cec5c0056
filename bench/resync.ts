import { median, round } from './figures.ts'
import { dropCsvAgain, writeCsvSource } from './residents.ts'
import { openBenchStage } from './stage.ts'

export interface ResyncResult {
  /** Records per second of the first load of a file. */
  readonly freshRate: number
  /** Records per second of the same file again, in which nothing has changed. */
  readonly rate: number
  readonly ratio: number
}

/** A full re-send without any change, the most usual nightly load, against the first load of the same file. */
export async function benchResync(records: number, rounds: number): Promise<ResyncResult> {
  const measured = []
  for (let turn = 0; turn < rounds; turn++) {
    const stage = await openBenchStage(records)
    try {
      const source = writeCsvSource(stage)
      await stage.empty()
      const fresh = await stage.load('product', source)
      dropCsvAgain(stage)
      const again = await stage.load('product', source, true)
      measured.push({ fresh: records / fresh.seconds, again: records / again.seconds })
    } finally {
      await stage.close()
    }
  }
  return {
    freshRate: Math.round(median(measured.map(({ fresh }) => fresh))),
    rate: Math.round(median(measured.map(({ again }) => again))),
    ratio: round(median(measured.map(({ fresh, again }) => again / fresh))),
  }
}
