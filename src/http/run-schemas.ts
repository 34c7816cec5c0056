import { Type, type Static } from 'typebox'
import type { DriftReport } from '../feeds/drift-counts.ts'
import type { Reconciliation } from '../store/reconciliation.ts'
import type { Run } from '../store/runs.ts'

const Count = (description: string) => Type.Integer({ minimum: 0, description })
const Time = (description: string) => Type.Union([Type.String(), Type.Null()], { description })
const Counts = (description: string) => Type.Record(Type.String(), Type.Integer(), { description })

export const RunNumber = Type.Object({
  runId: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Number of the run' }),
})

export const RunView = Type.Object(
  {
    runId: Type.Integer({ description: 'Number of the run' }),
    feed: Type.String({ description: 'Code of the feed' }),
    department: Type.String({ description: 'Owner of the feed' }),
    dataset: Type.String({ description: 'Dataset that the feed fills' }),
    kind: Type.String({
      enum: ['sync', 'resubmission'],
      description: 'resubmission: rows that a department corrected',
    }),
    state: Type.String({
      enum: ['pending', 'running', 'paused', 'done', 'stopped'],
      description: 'pending waits for a worker or for its time, paused for a person',
    }),
    wanted: Type.Union([Type.String({ enum: ['pause', 'cancel'] }), Type.Null()], {
      description: 'What was asked of a run that is being worked on; met within a page',
    }),
    reason: Type.Union([Type.String(), Type.Null()], {
      description: 'Code of why it waits or stopped, docs/errors.md',
    }),
    createdAt: Type.String({ description: 'When it was asked for' }),
    startedAt: Time('When a worker first took it'),
    finishedAt: Time('When it ended'),
    notBefore: Time('A run that waits is not taken before'),
    pages: Count('Pages saved'),
    pulled: Count('Rows received'),
    valid: Count('Rows that met their schema'),
    rejected: Count('Rows that did not'),
    inserted: Count('New records'),
    updated: Count('Changed records'),
    deleted: Count('Records deleted, by the source or by comparison'),
    removed: Count('Those of them that a comparison found missing'),
    unchanged: Count('Rows that brought nothing new'),
    withheld: Count('Good rows of records that were erased; they are not taken in until the erasure is lifted'),
    duplicates: Count('Rows that named a record which the run had already read'),
    merged: Count(
      'Records of the run that were linked to a person, counted once they are: the merge follows the run by some seconds',
    ),
    sourceTotal: Type.Union([Type.Integer(), Type.Null()], {
      description: 'What the source itself counts, where it does',
    }),
    warnings: Counts('Rows by rule that warned'),
    rejectedByRule: Counts('Rejected rows by the first rule that each broke'),
  },
  { title: 'Run', description: 'A run and its counts' },
)

const time = (date: Date | null): string | null => date?.toISOString() ?? null

/** A run as it is answered. */
export function viewRun({ failures: _failures, ...run }: Run): Static<typeof RunView> {
  return {
    ...run,
    createdAt: run.createdAt.toISOString(),
    startedAt: time(run.startedAt),
    finishedAt: time(run.finishedAt),
    notBefore: time(run.notBefore),
    warnings: { ...run.warnings },
    rejectedByRule: { ...run.rejectedByRule },
  }
}

export const CertificateView = Type.Object(
  {
    run: RunView,
    explained: Type.Boolean({ description: 'Whether every row is accounted for' }),
    statement: Type.String({ description: 'The same in words' }),
    statementZh: Type.String({ description: '对账结论' }),
    checks: Type.Array(
      Type.Object({
        id: Type.String({ description: 'Name of the equation' }),
        en: Type.String({ description: 'The equation in words' }),
        zh: Type.String({ description: '等式' }),
        left: Type.Integer({ description: 'Its left side' }),
        right: Type.Integer({ description: 'Its right side' }),
        difference: Type.Integer({ description: 'left − right; 0 where the equation holds' }),
        holds: Type.Boolean({ description: 'Whether it holds' }),
      }),
      { description: 'The equations over the counts that apply to this run' },
    ),
  },
  { title: 'Certificate' },
)

/** A certificate as the API answers it and the command line prints it. */
export type CertificateOfRun = Static<typeof CertificateView>

export function viewCertificate({ run, checks, isExplained }: Reconciliation): CertificateOfRun {
  const isOver = run.state === 'done'
  const open = checks.filter(({ holds }) => !holds).length
  return {
    run: viewRun(run),
    explained: isExplained,
    statement: `Run ${run.runId} of ${run.feed} ${isOver ? 'is complete' : `is ${run.state}`}; ${isExplained ? 'every row is accounted for' : `${open} equations do not hold`}.`,
    statementZh: `${run.feed} 第 ${run.runId} 批次${isOver ? '已完成' : '尚未完成'}；${isExplained ? '对账一致' : `${open} 项对账不一致`}。`,
    checks: checks.map((check) => ({ ...check })),
  }
}

const DriftField = Type.Object({
  field: Type.String({ description: 'Name of the field' }),
  rows: Count('Rows it concerns'),
})

export const DriftView = Type.Object(
  {
    rows: Count('Rows that were looked at'),
    unknown: Type.Array(DriftField, {
      description:
        'Source fields that the manifest does not name; an empty name stands for all that are not kept by name',
    }),
    missing: Type.Array(DriftField, { description: 'Properties whose source field no row of some page had' }),
    retyped: Type.Array(
      Type.Object({
        field: Type.String({ description: 'Name of the property' }),
        was: Type.String({ description: 'Types that its source field had before' }),
        now: Type.String({ description: 'Types that it has now' }),
        rows: Count('Rows it concerns'),
      }),
      { description: 'Properties whose source field came in a new type' },
    ),
  },
  { title: 'Drift' },
)

export function viewDrift({ rows, unknown, missing, retyped }: DriftReport): Static<typeof DriftView> {
  return { rows, unknown: [...unknown], missing: [...missing], retyped: [...retyped] }
}
