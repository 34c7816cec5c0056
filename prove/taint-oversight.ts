import path from 'node:path'
import type { Office } from './taint-accounts.ts'
import { want, type Faults } from './taint-office.ts'
import { awaitSigned, type SignedLog } from './taint-signing.ts'
import type { Stage } from './taint-stage.ts'

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)
const period = { from: dayOf(Date.now() - 86_400_000 * 6), to: dayOf(Date.now() + 86_400_000) }
const kinds = ['weekly', 'provision', 'yearly'] as const

const reports = { path: '/api/v1/audit/reports', kind: 'audit reports' } as const
const rules = { path: '/api/v1/oversight/rules', kind: 'oversight' } as const
const alerts = { path: '/api/v1/alerts', kind: 'alerts' } as const

async function playAlerts(stage: Stage, faults: Faults, { officer, auditor, editor, engineer }: Office): Promise<void> {
  for (const who of [officer, auditor, editor, engineer]) await who.ask({ ...alerts })
  const { rows } = await stage
    .owner()
    .query<{ id: number }>(
      `select alert_id as id from gridbridge.alert where kind = 'reveal-break-glass' order by alert_id limit 1`,
    )
  const acknowledge = { ...alerts, method: 'POST', path: `${alerts.path}/${rows[0]?.id}/acknowledge` } as const
  await want(faults, 200, officer, acknowledge)
  const { certNumber, phone } = stage.book.take()
  await want(faults, 400, officer, { ...acknowledge, path: `${alerts.path}/${certNumber}/acknowledge` })
  await want(faults, 400, officer, { ...alerts, path: `${alerts.path}?cursor=${phone}x` })
}

async function playRules(stage: Stage, faults: Faults, { officer, auditor }: Office): Promise<void> {
  const { certNumber, phone, name } = stage.book.take()
  const change = { ...rules, method: 'PUT', path: `${rules.path}/denials-burst` } as const
  await want(faults, 200, auditor, rules)
  await want(faults, 200, officer, { ...change, body: { thresholds: { count: 20 } } })
  for (const thresholds of [{ count: Number(phone) }, { [name]: 1 }, { count: certNumber }, certNumber])
    await officer.ask({ ...change, body: { thresholds } })
  await want(faults, 400, officer, {
    ...change,
    path: `${rules.path}/${certNumber}`,
    body: { thresholds: { count: 20 } },
  })
}

async function playReports(stage: Stage, faults: Faults, { auditor, officer }: Office): Promise<void> {
  const { certNumber, phone } = stage.book.take()
  for (const kind of kinds) {
    const made = await want(faults, 200, auditor, { ...reports, method: 'POST', body: { kind, ...period } })
    const at = `${reports.path}/${(made as { reportId: number }).reportId}`
    for (const format of ['json', 'csv'])
      await want(faults, 200, auditor, { ...reports, path: `${at}?format=${format}` })
  }
  await want(faults, 400, auditor, { ...reports, method: 'POST', body: { kind: phone, from: certNumber, to: phone } })
  await want(faults, 400, auditor, { ...reports, path: `${reports.path}?kind=${certNumber}` })
  for (const at of ['/api/v1/audit/reports', '/api/v1/audit/checks', '/api/v1/audit/prunings'])
    await want(faults, 200, officer, { ...reports, path: at })
  const { rows } = await stage
    .owner()
    .query<{ id: string }>(`select entry_id as id from audit.entry where event_type = 'reveal.asked' limit 1`)
  await auditor.ask({ ...reports, path: `/api/v1/audit/entries/${rows[0]?.id}/proof` })
}

interface Pruned {
  readonly pruning: number
}

/** Archives the oldest month, has it approved over HTTP, and removes it. */
async function playPruning(stage: Stage, faults: Faults, office: Office, log: SignedLog): Promise<void> {
  const prune = (name: string, ...words: readonly string[]): Promise<string> =>
    stage.command(name, ['src/cli.ts', 'audit', 'prune', ...words, '--json'])
  const asked = await prune('audit prune ask', 'ask', '--before', log.prunable, '--out', stage.directories.archive)
  if (!asked.startsWith('{')) return void faults.push('nothing was archived')
  const { pruning } = JSON.parse(asked) as Pruned
  const approve = { ...reports, method: 'POST', path: `/api/v1/audit/prunings/${pruning}/approve` } as const
  await want(faults, 200, office.auditor, approve)
  if (!(await awaitSigned(stage))) faults.push('the approval was not signed')
  const done = await prune('audit prune run', 'run', String(pruning))
  if (!done.includes('removed')) faults.push('nothing was pruned')
}

/** Files for others: reports, and evidence of everything that is in the log. */
async function writeFiles(stage: Stage, faults: Faults, { verifier }: SignedLog): Promise<void> {
  const { directories } = stage
  const run = (name: string, ...words: readonly string[]): Promise<string> =>
    stage.command(name, ['src/cli.ts', 'audit', ...words, '--json'])
  const between = ['--from', period.from, '--to', period.to]
  const files = await Promise.all([
    run('audit report', 'report', 'provision', ...between, '--out', path.join(directories.reports, 'provision.csv')),
    run('audit report json', 'report', 'yearly', ...between, '--out', path.join(directories.reports, 'yearly.json')),
    run('audit export', 'export', '--all', '--out', path.join(directories.evidence, 'whole'), '--verifier', verifier),
  ])
  if (files.some((text) => !text.startsWith('{'))) faults.push('a report or the evidence was not written')
}

/** What the security officer and the auditor look at and take away. */
export async function playOversight(stage: Stage, faults: Faults, office: Office, log: SignedLog): Promise<void> {
  await playAlerts(stage, faults, office)
  await playRules(stage, faults, office)
  await playReports(stage, faults, office)
  if (!(await awaitSigned(stage))) return void faults.push('the log was not signed')
  await writeFiles(stage, faults, log)
  await playPruning(stage, faults, office, log)
}
