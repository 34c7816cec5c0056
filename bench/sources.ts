import { median, round } from './figures.ts'
import { writeCsvSource, writeSqlSource } from './residents.ts'
import { openBenchStage, type BenchSource } from './stage.ts'

type Rates = Readonly<Record<string, number>>

export interface SourcesResult {
  /** Records per second of the same residents from each kind of source, median of the rounds. */
  readonly rates: Rates
  /** Against the rate from HTTP in the same round. */
  readonly ratios: Rates
  readonly peakRssMb: number
}

/** Ingest of the same residents by HTTP, from a GB18030 CSV file and from a PostgreSQL table, in turn, in one run. */
export async function benchSources(records: number, rounds: number): Promise<SourcesResult> {
  const stage = await openBenchStage(records)
  try {
    const kinds: readonly (readonly [string, BenchSource])[] = [
      ['http', stage.http],
      ['csv', writeCsvSource(stage)],
      ['sql', await writeSqlSource(stage)],
    ]
    const measured: Rates[] = []
    let peakRssMb = 0
    for (let turn = 0; turn < rounds; turn++) {
      const rates: Record<string, number> = {}
      for (const [kind, source] of kinds) {
        await stage.empty()
        const answer = await stage.load('product', source)
        rates[kind] = records / answer.seconds
        peakRssMb = Math.max(peakRssMb, answer.peakRssMb)
      }
      measured.push(rates)
    }
    const over = (figure: (turn: Rates, kind: string) => number): Rates =>
      Object.fromEntries(kinds.map(([kind]) => [kind, median(measured.map((turn) => figure(turn, kind)))]))
    return {
      rates: over((turn, kind) => Math.round(turn[kind] ?? 0)),
      ratios: over((turn, kind) => round((turn[kind] ?? 0) / (turn['http'] ?? 1))),
      peakRssMb,
    }
  } finally {
    await stage.close()
  }
}
