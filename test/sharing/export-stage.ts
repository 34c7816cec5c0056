import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Export } from '../../src/store/exports.ts'
import { findExport } from '../../src/store/exports.ts'
import type { Feed } from '../../src/store/feeds.ts'
import type { ExportedLine } from '../support/exports.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import { registerConsumer, registerFeed, type RegisteredConsumer } from '../support/ledger.ts'

/** What each test of exports begins with: a store without records, a feed and a consumer of its own. */
export interface ExportStage {
  readonly installation: TestInstallation
  readonly feed: Feed
  readonly consumer: RegisteredConsumer
}

/** Sets the stage for each test of the file that calls it. */
export function stageExports(): ExportStage {
  const stage = {} as { -readonly [Member in keyof ExportStage]: ExportStage[Member] }
  let tests = 0
  beforeAll(async () => {
    stage.installation = await openTestInstallation('export', 12)
  })
  afterAll(() => stage.installation.close())
  beforeEach(async () => {
    tests += 1
    await stage.installation.asOwner('truncate gridbridge.record')
    stage.feed = await registerFeed(stage.installation, `LZ-GA-RK-${String(tests).padStart(3, '0')}`)
    stage.consumer = await registerConsumer(stage.installation, `platform-${tests}`)
  })
  return stage
}

export const idsOf = (parts: readonly (readonly ExportedLine[])[]): readonly string[] =>
  parts.flat().map(({ id }) => id)

export const idOf = ({ feed }: ExportStage, index: number): string => `${feed.code}/R-${index}`

/** The ids of the records of `strangerRows`. */
export const rangeOf = (stage: ExportStage, first: number, last: number): readonly string[] =>
  Array.from({ length: last - first + 1 }, (_, place) => idOf(stage, first + place))

export const look = ({ installation }: ExportStage, exportId: number): Promise<Export> =>
  findExport(installation.database.query, exportId, null)
