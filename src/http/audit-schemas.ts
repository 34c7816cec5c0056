import { Type, type Static } from 'typebox'
import { AppError } from '../errors.ts'
import { auditEvents } from '../audit/events.ts'
import { eventOf, type FoundEntry, type FoundPage, type LogSearch } from '../sharing/who-saw.ts'
import type { LogFilter } from '../store/sightings.ts'

const textOrNull = (description: string) => Type.Union([Type.Null(), Type.String()], { description })
const wanted = (description: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 200, description }))

const AskedPersonBody = Type.Object(
  {
    certType: Type.String({ minLength: 1, maxLength: 20, description: 'Certificate type, 111 for the identity card' }),
    certNumber: Type.String({ minLength: 1, maxLength: 60, description: 'Its number; kept and logged nowhere' }),
  },
  { title: 'AuditedPerson', additionalProperties: false },
)

const CURSOR = Type.Optional(
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'From an earlier answer' }),
)

const period = {
  from: Type.Optional(Type.String({ format: 'date-time', description: 'Entries from this time on' })),
  to: Type.Optional(Type.String({ format: 'date-time', description: 'Entries before this time' })),
}

export const AuditSearchBody = Type.Object(
  {
    person: Type.Optional(AskedPersonBody),
    type: Type.Optional(Type.Enum(Object.keys(auditEvents), { description: 'Event, as in docs/events.md' })),
    actor: wanted('Who did it, `consumer:<name>`, `account:<name>`, `operator:<login>`, `system:<part>`'),
    outcome: Type.Optional(Type.Enum(['ok', 'denied', 'failed'], { description: 'How it ended' })),
    object: wanted('What it was done to, `export/7`, `reveal/3`'),
    purpose: wanted('Code of an item of the service list'),
    dataset: wanted('Dataset'),
    department: wanted('Department of the feed, or that the entry tells of'),
    ...period,
    cursor: CURSOR,
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'Entries of a page at most' }),
    ),
  },
  { title: 'AuditSearch', additionalProperties: false },
)

export const PersonReportBody = Type.Object(
  {
    person: AskedPersonBody,
    format: Type.Optional(Type.Enum(['json', 'csv'], { default: 'json', description: 'Kind of file' })),
    ...period,
    cursor: CURSOR,
  },
  { title: 'PersonReportRequest', additionalProperties: false },
)

const Proof = Type.Object(
  {
    leafHash: Type.String({ description: 'SHA-256(0x00 ‖ body), base64' }),
    path: Type.Array(Type.String(), {
      description: 'Inclusion path of RFC 6962 §2.1.1 in the tree of the checkpoint, from the leaf up, base64',
    }),
  },
  { title: 'AuditInclusionProof' },
)

const AuditEntryView = Type.Object(
  {
    time: Type.String({ description: 'By the clock of the database, RFC 3339 with microseconds' }),
    type: Type.String({ description: 'Event' }),
    event: Type.String({ description: 'The event in words 事件说明' }),
    actor: Type.String({ description: 'Who did it; a consumer is `consumer:<name>`' }),
    outcome: Type.String({ description: 'How it ended' }),
    purpose: textOrNull('Code of the item of the service list that it served'),
    agreement: textOrNull('Agreement under which it was shared'),
    dataset: textOrNull('Dataset'),
    department: textOrNull('Department of the feed, or that the entry tells of'),
    object: textOrNull('What it was done to; a person by token'),
    count: Type.Union([Type.Null(), Type.Integer()], { description: 'Records that it told of' }),
    leafIndex: Type.Union([Type.Null(), Type.Integer()], {
      description: 'Its place in the tree; null: committed a moment ago and not placed yet',
    }),
    signed: Type.Boolean({ description: 'Whether the checkpoint of this answer covers it' }),
    proof: Type.Union([Type.Null(), Proof], { description: 'Null while no checkpoint covers it' }),
    body: Type.String({ description: 'The entry as it was hashed; its UTF-8 bytes are the leaf' }),
  },
  { title: 'AuditEntry' },
)

const NoteView = Type.Object(
  {
    size: Type.Integer({ description: 'Entries that it covers' }),
    note: Type.String({ description: 'The note as it was signed' }),
  },
  { title: 'AuditCheckpoint' },
)

export const AuditPage = Type.Object(
  {
    entries: Type.Array(AuditEntryView, { description: 'The newest first' }),
    checkpoint: Type.Union([Type.Null(), NoteView], {
      description: 'The newest signed note (C2SP tlog-checkpoint), to which the proofs lead; null: nothing is signed',
    }),
    cursor: Type.Union([Type.Null(), Type.Integer()], { description: 'Give it back for more; null at the end' }),
  },
  { title: 'AuditPage' },
)

export function viewEntry(entry: FoundEntry): Static<typeof AuditEntryView> {
  const { leafIndex, department, proof, body } = entry
  const { recordedAt, type, actor, outcome, purpose, agreement, dataset, object, count } = eventOf(entry)
  // One from a later version of the product may tell of what this one does not know.
  const words = Object.hasOwn(auditEvents, type) ? `${auditEvents[type].zh} / ${auditEvents[type].en}` : type
  return {
    time: recordedAt,
    type,
    event: words,
    actor,
    outcome,
    purpose: purpose ?? null,
    agreement: agreement ?? null,
    dataset: dataset ?? null,
    department,
    object: object ?? null,
    count: count ?? null,
    leafIndex,
    signed: proof !== null,
    proof:
      proof === null
        ? null
        : {
            leafHash: proof.leafHash.toString('base64'),
            path: proof.path.map((one) => one.toString('base64')),
          },
    body: body.toString('utf8'),
  }
}

export const viewPage = ({ entries, checkpoint, before }: FoundPage): Static<typeof AuditPage> => ({
  entries: entries.map(viewEntry),
  checkpoint,
  cursor: before,
})

/** Throws REQUEST_INVALID for a time that is no day of the calendar. */
function timeOf(place: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new AppError('REQUEST_INVALID', `body/${place}: wanted a time, RFC 3339`)
  return time
}

/** A search as a body asks for it. Throws REQUEST_INVALID. */
export function readSearch(body: Static<typeof AuditSearchBody>): LogSearch {
  const { person = null, cursor = null, limit = 50, from, to, ...same } = body
  const [since, until] = [timeOf('from', from), timeOf('to', to)]
  const filter: LogFilter = {
    ...same,
    ...(since === undefined ? {} : { from: since }),
    ...(until === undefined ? {} : { to: until }),
  }
  return { person, filter, before: cursor, limit }
}
