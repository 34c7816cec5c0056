import { median, round } from './figures.ts'
import { openBenchStage } from './stage.ts'

export interface IngestResult {
  /** Records per second, median of the rounds: read, mapped, validated, protected, saved with cursor and audit. */
  readonly rate: number
  /** Records per second of the floor: the same pages fetched, parsed and inserted as (id, jsonb), nothing else. */
  readonly floorRate: number
  readonly ratio: number
  readonly peakRssMb: number
  readonly rounds: readonly { readonly rate: number; readonly floorRate: number }[]
}

/**
 * Ingest against its floor, alternating, in one run on one machine: the shared source is warm for both, and each round empties
 * both tables first.
 */
export async function benchIngest(records: number, rounds: number): Promise<IngestResult> {
  const stage = await openBenchStage(records)
  try {
    await stage.empty()
    await stage.load('floor', stage.http)
    const measured = []
    for (let turn = 0; turn < rounds; turn++) {
      await stage.empty()
      const floor = await stage.load('floor', stage.http)
      await stage.empty()
      const product = await stage.load('product', stage.http)
      measured.push({
        rate: records / product.seconds,
        floorRate: records / floor.seconds,
        peakRssMb: product.peakRssMb,
      })
    }
    return {
      rate: Math.round(median(measured.map((one) => one.rate))),
      floorRate: Math.round(median(measured.map((one) => one.floorRate))),
      ratio: round(median(measured.map((one) => one.rate / one.floorRate))),
      peakRssMb: Math.max(...measured.map((one) => one.peakRssMb)),
      rounds: measured.map((one) => ({ rate: Math.round(one.rate), floorRate: Math.round(one.floorRate) })),
    }
  } finally {
    await stage.close()
  }
}
