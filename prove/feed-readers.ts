import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import type { SharedRecord } from '../src/record.ts'
import { decodeCursor } from '../src/sharing/cursors.ts'
import { pullChanges, type SharingContext } from '../src/sharing/pull.ts'
import type { Agreement } from '../src/store/agreements.ts'
import type { Query } from '../src/store/database.ts'
import { changesIn } from '../test/support/ledger.ts'
import type { Random } from './random.ts'

/** What a consumer holds that applies what it is given, and what went wrong on the way. */
export interface Holdings {
  readonly held: Map<string, number>
  readonly newest: Map<string, number>
  /** Versions that came after a newer one. */
  older: number
  /** Versions that came a second time, which has no effect. */
  repeated: number
  applied: number
}

export const openHoldings = (): Holdings => ({ held: new Map(), newest: new Map(), older: 0, repeated: 0, applied: 0 })

export function applyChanges(
  holdings: Holdings,
  changes: readonly Pick<SharedRecord, 'id' | 'version' | 'operation'>[],
): void {
  for (const { id, version, operation } of changes) {
    const newest = holdings.newest.get(id) ?? 0
    if (version < newest) holdings.older += 1
    if (version === newest) holdings.repeated += 1
    if (version <= newest) continue
    holdings.newest.set(id, version)
    holdings.applied += 1
    if (operation === 'delete') holdings.held.delete(id)
    else holdings.held.set(id, version)
  }
}

/** Pulls page after page until the writers have ended and nothing is left. */
export async function keepPulling(
  context: SharingContext,
  agreement: Agreement,
  { limit, isOver }: { readonly limit: number; readonly isOver: () => boolean },
): Promise<Holdings> {
  const holdings = openHoldings()
  let cursor: string | undefined
  for (;;) {
    const isLast = isOver()
    const page = await pullChanges(context, { agreement, after: decodeCursor(agreement.version, cursor), limit })
    applyChanges(holdings, changesIn(page))
    cursor = page.cursor
    if (isLast && !page.hasMore) return holdings
    if (!page.hasMore) await wait(20)
  }
}

/** The same without the fence: what a reader gets that trusts the order of the keys. */
export async function keepReadingUnfenced(query: Query, datasetId: number, isOver: () => boolean): Promise<Holdings> {
  const holdings = openHoldings()
  let place = { tx: '0', seq: 0 }
  for (;;) {
    const isLast = isOver()
    const rows = await query<{ id: string; version: number; operation: 'upsert' | 'delete'; tx: string; seq: number }>(
      `select 'GB-PERSON-001/' || source_record_id as id, version, case when masked is null then 'delete' else 'upsert' end as operation,
              change_tx::text as tx, change_seq as seq
         from record where dataset_id = $1 and (change_tx, change_seq) > ($2::xid8, $3) order by change_tx, change_seq limit 500`,
      [datasetId, place.tx, place.seq],
    )
    applyChanges(holdings, rows)
    place = rows.at(-1) ?? place
    if (isLast && rows.length === 0) return holdings
    if (rows.length === 0) await wait(20)
  }
}

export interface Receiver {
  readonly url: string
  readonly holdings: Holdings
  /** Deliveries that came again, which an idempotent receiver must expect. */
  readonly repeats: () => number
  readonly close: () => void
}

/** A consumer's webhook that knows deliveries by their id, refuses some, and breaks some connections after it has taken the delivery. */
export async function startReceiver(random: Random): Promise<Receiver> {
  const holdings = openHoldings()
  const known = new Set<string>()
  let repeats = 0
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const mood = random(20)
      if (mood === 0) return void response.writeHead(503).end()
      const id = String(request.headers['webhook-id'])
      if (known.has(id)) repeats += 1
      else {
        known.add(id)
        applyChanges(holdings, (JSON.parse(body) as { changes: SharedRecord[] }).changes)
      }
      return mood === 1 ? void response.socket?.destroy() : void response.writeHead(200).end()
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/webhook`,
    holdings,
    repeats: () => repeats,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
