import { createReadStream } from 'node:fs'
import { mkdir, open, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { openHoldings } from './holdings.ts'
import type { ChangeMark, DatasetCounts, Holdings } from './holdings.ts'

/** One line of the ledger file. */
export type LedgerEntry =
  | {
      readonly kind: 'delivery'
      readonly id: string
      readonly digest: string
      readonly dataset: string
      readonly changes: readonly ChangeMark[]
    }
  | { readonly kind: 'redelivery' | 'conflict' | 'badSignature' }

/** What GET /ledger answers. */
export interface LedgerSummary {
  readonly deliveries: number
  readonly redeliveries: number
  readonly conflicts: number
  readonly badSignatures: number
  /** Changes applied although the same id and version had been applied before: must be 0. */
  readonly duplicateEffects: number
  readonly datasets: Readonly<Record<string, DatasetCounts & { readonly digest?: string }>>
}

/** The platform's own durable record of what it was given. */
export interface Ledger {
  /** The body digest of a delivery that was accepted before. */
  readonly findDigest: (deliveryId: string) => string | undefined
  /** Writes the entry and, for a delivery, waits until it is on disk. Calls must not overlap. */
  readonly append: (entry: LedgerEntry) => Promise<void>
  readonly summarise: (withDigest: boolean) => LedgerSummary
  readonly close: () => Promise<void>
}

interface State {
  readonly digests: Map<string, string>
  readonly holdings: Map<string, Holdings>
  readonly counts: { redelivery: number; conflict: number; badSignature: number; duplicateEffect: number }
}

function emptyState(): State {
  return {
    digests: new Map(),
    holdings: new Map(),
    counts: { redelivery: 0, conflict: 0, badSignature: 0, duplicateEffect: 0 },
  }
}

// The only way to change the state: a restart replays the file through it, so no count can differ from the file.
function absorb(state: State, entry: LedgerEntry): void {
  if (entry.kind !== 'delivery') {
    state.counts[entry.kind] += 1
    return
  }
  const holdings = state.holdings.get(entry.dataset) ?? openHoldings()
  state.holdings.set(entry.dataset, holdings)
  state.digests.set(entry.id, entry.digest)
  state.counts.duplicateEffect += holdings.apply(entry.changes)
}

function summarise(state: State, withDigest: boolean): LedgerSummary {
  const datasets: Record<string, DatasetCounts & { digest?: string }> = {}
  for (const [name, holdings] of state.holdings)
    datasets[name] = withDigest ? { ...holdings.count(), digest: holdings.digest() } : holdings.count()
  return {
    deliveries: state.digests.size,
    redeliveries: state.counts.redelivery,
    conflicts: state.counts.conflict,
    badSignatures: state.counts.badSignature,
    duplicateEffects: state.counts.duplicateEffect,
    datasets,
  }
}

function readEntry(line: string): LedgerEntry {
  const entry: LedgerEntry = JSON.parse(line)
  return entry
}

/** Replays the whole lines of the file; returns how many bytes they are. What follows them was never acknowledged. */
async function replay(file: string, state: State): Promise<number> {
  let whole = 0
  let rest = Buffer.alloc(0)
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    const text = Buffer.concat([rest, chunk])
    const end = text.lastIndexOf(0x0a) + 1
    const lines = text.subarray(0, end).toString('utf8').split('\n')
    for (const line of lines) if (line !== '') absorb(state, readEntry(line))
    whole += end
    rest = text.subarray(end)
  }
  return whole
}

/** Opens the ledger in `directory`, replaying what it holds; a line cut off by a crash is removed. */
export async function openLedger(directory: string): Promise<Ledger> {
  await mkdir(directory, { recursive: true })
  const path = join(directory, 'ledger.jsonl')
  const file = await open(path, 'a')
  const state = emptyState()
  await truncate(path, await replay(path, state))
  return {
    findDigest: (deliveryId) => state.digests.get(deliveryId),
    append: async (entry) => {
      await file.appendFile(`${JSON.stringify(entry)}\n`)
      if (entry.kind === 'delivery') await file.datasync()
      absorb(state, entry)
    },
    summarise: (withDigest) => summarise(state, withDigest),
    close: () => file.close(),
  }
}
