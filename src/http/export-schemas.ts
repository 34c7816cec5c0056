import { Type, type Static } from 'typebox'
import { fieldForms } from '../feeds/forms.ts'
import { exportDuties } from '../security/permissions.ts'
import type { ExportManifest } from '../sharing/export-download.ts'
import { agreementName } from '../store/agreements.ts'
import type { ExportApproval } from '../store/export-approvals.ts'
import { exportStates, type Export } from '../store/exports.ts'

const moment = (description: string) => Type.Union([Type.Null(), Type.String({ format: 'date-time' })], { description })
const whole = (description: string) => Type.Integer({ minimum: 0, description })
const maybeWhole = (description: string) => Type.Union([Type.Null(), Type.Integer()], { description })
const maybeText = (description: string) => Type.Union([Type.Null(), Type.String()], { description })

export const ExportNumber = Type.Object({
  exportId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Number of the export' }),
})

export const PartNumber = Type.Object({
  exportId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Number of the export' }),
  number: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the file, from 1' }),
})

export const ExportView = Type.Object(
  {
    exportId: Type.Integer({ description: 'Number of the export' }),
    dataset: Type.String({ description: 'Name of the dataset' }),
    agreement: Type.String({ description: 'Agreement and version that it is made under' }),
    state: Type.String({
      enum: [...exportStates],
      description:
        'requested, awaiting-approval (two people have to agree), running, ready; or it has ended: expired, cancelled, refused, failed',
    }),
    reason: maybeText('Code of why it waits or has ended'),
    remark: maybeText('What the person said who refused it'),
    about: maybeWhole('Records of the selection when it was counted: about how many there will be'),
    read: whole('Records read so far'),
    records: whole('Records in the files that are made'),
    parts: whole('Files that are made'),
    requestedAt: Type.String({ format: 'date-time', description: 'When it was asked for' }),
    transactionTime: moment('The moment that it is a copy of'),
    readyAt: moment('When every file was there'),
    expiresAt: moment('When the files go'),
    endedAt: moment('When it ended'),
    manifest: maybeText('Where the manifest is; null until it is ready'),
  },
  { title: 'Export' },
)

export const ExportList = Type.Object(
  { exports: Type.Array(ExportView, { description: 'The newest first' }) },
  { title: 'ExportList' },
)

const timeOf = (date: Date | null): string | null => date?.toISOString() ?? null
const addressOf = (exportId: number): string => `/api/v1/exports/${exportId}`
const agreementOf = ({ agreementId, agreementVersion }: Export): string =>
  agreementName({ agreementId, version: agreementVersion })

export const viewExport = (one: Export): Static<typeof ExportView> => ({
  exportId: one.exportId,
  dataset: one.dataset,
  agreement: agreementOf(one),
  state: one.state,
  reason: one.reason,
  remark: one.remark,
  about: one.about,
  read: one.read,
  records: one.records,
  parts: one.parts,
  requestedAt: one.requestedAt.toISOString(),
  transactionTime: timeOf(one.transactionTime),
  readyAt: timeOf(one.readyAt),
  expiresAt: timeOf(one.expiresAt),
  endedAt: timeOf(one.endedAt),
  manifest: one.state === 'ready' ? `${addressOf(one.exportId)}/manifest` : null,
})

export const ManifestView = Type.Object(
  {
    exportId: Type.Integer({ description: 'Number of the export' }),
    dataset: Type.String({ description: 'Name of the dataset' }),
    agreement: Type.String({ description: 'Agreement and version that it was made under' }),
    forms: Type.Record(Type.String(), Type.String({ enum: [...fieldForms] }), {
      description: 'The form in which each field left; certificate numbers under mask show 4+4 digits',
    }),
    area: Type.Array(Type.String(), { description: 'Prefixes of area codes' }),
    purpose: Type.String({ description: 'Item of the service list' }),
    transactionTime: Type.String({ format: 'date-time', description: 'The moment that it is a copy of' }),
    expiresAt: Type.String({ format: 'date-time', description: 'When the files go' }),
    parts: Type.Array(
      Type.Object({
        number: Type.Integer({ description: 'From 1' }),
        records: whole('Lines of the file'),
        bytes: whole('Of the file as it is sent, compressed'),
        sha256: Type.String({ description: 'Of the file as it is sent, in hexadecimal' }),
        url: Type.String({ description: 'Where the file is' }),
      }),
      { description: 'Every file; together they are the copy' },
    ),
    totals: Type.Object(
      { parts: whole('Files'), records: whole('Records'), bytes: whole('Compressed bytes') },
      { description: 'Sums over the files' },
    ),
    feedCursor: Type.String({ description: 'Cursor of the change feed: go on from here' }),
    k: maybeWhole('How many people at least look alike in every record that left; null where it shows identifiers'),
    withheld: whole('Records left out because fewer people look alike'),
    smallestClass: maybeWhole('People in the smallest class that was found, counted up to k'),
    errors: Type.Array(
      Type.Object({
        code: Type.String({ description: 'From the error table' }),
        records: whole('Records left out for it'),
      }),
      { description: 'What could not be exported' },
    ),
  },
  { title: 'ExportManifest' },
)

export const viewManifest = (manifest: ExportManifest): Static<typeof ManifestView> => ({
  ...manifest,
  forms: { ...manifest.forms },
  area: [...manifest.area],
  transactionTime: manifest.transactionTime.toISOString(),
  expiresAt: manifest.expiresAt.toISOString(),
  parts: manifest.parts.map(({ digest, ...part }) => ({
    ...part,
    sha256: digest,
    url: `${addressOf(manifest.exportId)}/parts/${part.number}`,
  })),
  totals: { ...manifest.totals },
  errors: [...manifest.errors],
})

const duty = Type.String({
  enum: Object.keys(exportDuties),
  description:
    'data: a data-owner or department-reviewer of the department that leads the dataset; security: security-administrator',
})
const decision = Type.String({ enum: ['approve', 'refuse'], description: 'What is decided' })

export const DecisionBody = Type.Object(
  {
    duty,
    decision,
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: 500, description: '原因 / Why; wanted with a refusal. Names nobody' }),
    ),
  },
  { additionalProperties: false, title: 'ExportDecision' },
)

export const WaitingView = Type.Object(
  {
    exportId: Type.Integer({ description: 'Number of the export' }),
    consumer: Type.String({ description: 'Who asks' }),
    dataset: Type.String({ description: 'Name of the dataset' }),
    agreement: Type.String({ description: 'Agreement and version' }),
    purpose: Type.String({ description: 'Item of the service list' }),
    area: Type.Array(Type.String(), { description: 'Prefixes of area codes' }),
    state: Type.String({ enum: [...exportStates], description: 'Where it stands' }),
    persons: maybeWhole('Persons that it tells of'),
    about: maybeWhole('Records'),
    requestedAt: Type.String({ format: 'date-time', description: 'When it was asked for' }),
    approvals: Type.Array(
      Type.Object({
        duty,
        decision,
        reason: maybeText('Why'),
        by: Type.String({ description: 'Account' }),
        decidedAt: Type.String({ format: 'date-time', description: 'When' }),
      }),
      { description: 'What was decided so far' },
    ),
  },
  { title: 'ExportForApproval' },
)

export const WaitingList = Type.Object(
  { exports: Type.Array(WaitingView, { description: 'The oldest first' }) },
  { title: 'ExportApprovalList' },
)

export const viewWaiting = (one: Export, approvals: readonly ExportApproval[]): Static<typeof WaitingView> => ({
  exportId: one.exportId,
  consumer: one.consumer,
  dataset: one.dataset,
  agreement: agreementOf(one),
  purpose: one.purpose,
  area: [...one.area],
  state: one.state,
  persons: one.persons,
  about: one.about,
  requestedAt: one.requestedAt.toISOString(),
  approvals: approvals.map((given) => ({ ...given, decidedAt: given.decidedAt.toISOString() })),
})
