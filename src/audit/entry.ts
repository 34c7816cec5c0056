import { randomUUID } from 'node:crypto'
import type { AuditEvent } from './events.ts'
import { SHA256 } from './tree-hash.ts'

/** The facts that place an entry: which lane, where in it, when by the database clock, and what came before. */
export interface EntryPlace {
  readonly entryId: string
  readonly recordedAt: string
  readonly laneId: string
  readonly laneSeq: number
  /** Leaf hash of the entry before in this lane; 32 zero bytes before the first. */
  readonly previous: Uint8Array
}

/** A UUID of version 7 (RFC 9562 §5.7): random ones would write to another page of their index with each entry. */
export function makeEntryId(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

export interface AuditEntry {
  readonly laneId: string
  readonly laneSeq: number
  /** Canonical bytes (RFC 8785); the only thing that is hashed. */
  readonly body: Buffer
  readonly leaf: Buffer
}

/** The parts of a body that are also columns, so that entries can be searched. */
export interface EntryColumns {
  readonly entryId: string
  readonly recordedAt: string
  readonly type: string
  readonly actor: string
  readonly outcome: string
  readonly feed: string | null
  readonly dataset: string | null
  readonly count: number | null
}

export const EMPTY_HEAD = Buffer.alloc(32)

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/**
 * Canonical JSON after RFC 8785 (JCS): keys in UTF-16 order, no space, numbers as ECMAScript prints them. Bodies hold whole
 * numbers and well-formed strings only, so JSON.stringify of the leaves is already canonical.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`
  const members = Object.entries(value as Record<string, Json>).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`
}

/** Leaf hash of RFC 6962 §2.1: SHA-256(0x00 ‖ body). */
export const leafHash = SHA256.leaf

/** Builds the entry for an event at its place. Pure: the same event at the same place gives the same bytes. */
export function makeEntry(event: AuditEvent, place: EntryPlace): AuditEntry {
  const { type, ...rest } = event
  const body = Buffer.from(
    canonicalJson({
      v: 1,
      entryId: place.entryId,
      recordedAt: place.recordedAt,
      laneId: place.laneId,
      laneSeq: place.laneSeq,
      previous: Buffer.from(place.previous).toString('hex'),
      type,
      ...(rest as Record<string, Json>),
    }),
  )
  return { laneId: place.laneId, laneSeq: place.laneSeq, body, leaf: leafHash(body) }
}

/** Where the sequencer saw a lane end whose connection was gone: nothing may follow. */
export interface LaneEnd {
  readonly laneId: string
  readonly seq: number
  /** Hex leaf hash of its last entry. */
  readonly head: string
}

export interface ParsedBody extends EntryColumns {
  readonly version: number
  readonly laneId: string
  readonly laneSeq: number
  readonly previous: string
  /** Hex SHA-256 of the manifest of the persons that it names; null: it names none. */
  readonly subjectsDigest: string | null
  /** The lane that this entry closes; null: it closes none. */
  readonly closes: LaneEnd | null
}

/** What an entry of the type `lane.closed` tells; one that tells less closes a lane that cannot be, so it is noticed. */
function readLaneEnd(value: Readonly<Record<string, unknown>>): LaneEnd | null {
  if (value['type'] !== 'lane.closed') return null
  const { lane, seq, head } = (value['details'] ?? {}) as Readonly<Record<string, unknown>>
  return { laneId: String(lane), seq: Number(seq), head: String(head) }
}

/** Reads a body back; null when it is not one of ours. */
export function parseBody(body: Uint8Array): ParsedBody | null {
  try {
    const value = JSON.parse(Buffer.from(body).toString('utf8')) as Record<string, unknown>
    const text = (name: string): string | null => (typeof value[name] === 'string' ? value[name] : null)
    const number = (name: string): number | null => (typeof value[name] === 'number' ? value[name] : null)
    return {
      version: number('v') ?? 0,
      entryId: text('entryId') ?? '',
      recordedAt: text('recordedAt') ?? '',
      laneId: text('laneId') ?? '',
      laneSeq: number('laneSeq') ?? 0,
      previous: text('previous') ?? '',
      type: text('type') ?? '',
      actor: text('actor') ?? '',
      outcome: text('outcome') ?? '',
      feed: text('feed'),
      dataset: text('dataset'),
      count: number('count'),
      subjectsDigest: text('subjectsDigest'),
      closes: readLaneEnd(value),
    }
  } catch {
    return null
  }
}
