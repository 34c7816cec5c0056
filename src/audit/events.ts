import { incidentEvents } from './events/incident-events.ts'
import { evidenceEvents } from './events/evidence-events.ts'
import { identityEvents } from './events/identity-events.ts'
import { ingestEvents } from './events/ingest-events.ts'
import { oversightEvents } from './events/oversight-events.ts'
import { keyEvents } from './events/key-events.ts'
import { searchEvents } from './events/search-events.ts'
import { securityEvents } from './events/security-events.ts'
import { sharingEvents } from './events/sharing-events.ts'
import { signingEvents } from './events/signing-events.ts'
import type { EventEntry } from './events/event-entry.ts'

/**
 * The closed list of what is audited: an event that is not here cannot be written. docs/events.md lists them all and a test compares
 * the two.
 */
export const auditEvents = {
  ...ingestEvents,
  ...sharingEvents,
  ...securityEvents,
  ...signingEvents,
  ...incidentEvents,
  ...searchEvents,
  ...securityEvents,
  ...oversightEvents,
  ...keyEvents,
  ...evidenceEvents,
  ...identityEvents,
} as const satisfies Record<string, EventEntry>

export type AuditEventType = keyof typeof auditEvents

/** One fact of access, as the caller states it. Ids, counts and codes only: no names, no numbers, no record values. */
export interface AuditEvent {
  readonly type: AuditEventType
  /** Who: `system:worker`, `operator:<login>`, `consumer:<name>`, `account:<name>`, or `unknown` for a client that was not recognised. */
  readonly actor: string
  readonly outcome: 'ok' | 'denied' | 'failed'
  readonly feed?: string
  readonly dataset?: string
  readonly agreement?: string
  readonly purpose?: string
  readonly object?: string
  readonly count?: number
  /** Hex digest of what was shared, so that what was seen can be proven later without keeping it. */
  readonly outputDigest?: string
  /** How many persons the entry names. */
  readonly subjectCount?: number
  /** Hex SHA-256 of its manifest, the sorted tokens of those persons. */
  readonly subjectsDigest?: string
  readonly details?: Readonly<Record<string, string | number | boolean | null>>
}
