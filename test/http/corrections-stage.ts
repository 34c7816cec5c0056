import type { Feed } from '../../src/store/feeds.ts'
import { finishRun } from '../../src/store/finish-run.ts'
import { savePage } from '../../src/store/save-page.ts'
import { beginRun, makePage } from '../support/ledger.ts'
import type { Answer } from '../support/office.ts'
import { openWayBack, type System, type WayBackStage } from './way-back-stage.ts'

export const OBSERVED = '李样例'
const evidenceAt = '2026-11-02T09:00:00+08:00'
export const accept = { answer: 'accept' }
export const fix = { answer: 'fix' }

export const brief = ({ status, body }: Answer) => [status, body.code ?? body.state]

interface Entry {
  readonly actor: string
  readonly details: Readonly<Record<string, unknown>>
}

/** A platform that reports about the residents of one feed, and their department. */
export interface CorrectionsStage extends WayBackStage {
  readonly feed: Feed
  readonly platform: System
  /** A report about the name of R-1 with a reference of its own; `change` replaces members. */
  readonly report: (change?: object) => object
  readonly raise: (change?: object) => Promise<Answer>
  readonly at: (rest?: string) => string
  /** The people of the department answer, one step after the other. */
  readonly answer: (correctionId: number, ...bodies: readonly object[]) => Promise<readonly unknown[]>
  /** A run that brings these rows and ends. */
  readonly runRows: (rows: readonly unknown[]) => Promise<void>
  readonly entries: (type: string, object: string) => Promise<readonly Entry[]>
}

export async function openCorrections(name: string): Promise<CorrectionsStage> {
  const stage = await openWayBack(name)
  const { installation, office } = stage
  const feed = await stage.openFeed(5)
  const forms = { name: 'mask', gridCode: 'mask', birthDate: 'omit' } as const
  const platform = await stage.connect('grid-platform', { forms })
  let numbers = 0
  const report = (change: object = {}) => ({
    dataset: 'resident',
    id: `${feed.code}/R-1`,
    version: 1,
    kind: 'wrong-value',
    field: 'name',
    observed: OBSERVED,
    evidenceAt,
    reference: `JH-${(numbers += 1)}`,
    ...change,
  })
  const at = (rest = ''): string => `/api/v1/feeds/${feed.code}/corrections${rest}`
  return {
    ...stage,
    feed,
    platform,
    report,
    raise: (change) => platform.post('/api/v1/corrections', report(change)),
    at,
    answer: async (correctionId, ...bodies) => {
      const answers: unknown[] = []
      for (const body of bodies) answers.push(brief(await office.editor.post(at(`/${correctionId}/answers`), body)))
      return answers
    },
    runRows: async (rows) => {
      const lease = await beginRun(installation, feed)
      await savePage(installation.database, feed, lease, makePage(installation, feed, rows))
      await finishRun(installation.database, feed, lease)
    },
    entries: (type, object) =>
      installation.asOwner<Entry>(
        `select actor, convert_from(body, 'UTF8')::jsonb->'details' as details from audit.entry
          where event_type = $1 and convert_from(body, 'UTF8')::jsonb->>'object' = $2 order by lane_id, lane_seq`,
        [type, object],
      ),
  }
}
