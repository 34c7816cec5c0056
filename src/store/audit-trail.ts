import { AsyncLocalStorage } from 'node:async_hooks'

/** What one request left in the audit log, as its transactions committed. */
export interface AuditTrail {
  entries: number
  /** Who it turned out to be, as the audit log names them; null while nobody is known. */
  actor: string | null
}

const trails = new AsyncLocalStorage<AuditTrail>()

/** Runs `work`, and all that comes of it, under a trail. */
export function followTrail(trail: AuditTrail, work: () => void): void {
  trails.run(trail, work)
}

/** Notes entries that a transaction has committed; outside a request that is nothing. */
export function noteEntries(count: number): void {
  const trail = trails.getStore()
  if (trail !== undefined) trail.entries += count
}

/** Notes who makes the request. */
export function noteActor(actor: string): void {
  const trail = trails.getStore()
  if (trail !== undefined) trail.actor = actor
}
