import { text } from 'node:stream/consumers'
import { AppError } from '../../../src/errors.ts'
import type { FileSourceManifest } from '../../../src/feeds/manifest-file.ts'
import { openFileSource } from '../../../src/ingest/sources/file.ts'
import { createEgressGuard } from '../../../src/security/egress.ts'
import { readPeakMb } from '../../support/peak-memory.ts'

/** What came of one drop directory. */
export interface DropOutcome {
  /** The code of the error that ended the reading; null where there was none. */
  readonly code: string | null
  readonly detail: string
  /** Of computing, so that a machine that is busy with other things tells the same. */
  readonly milliseconds: number
  /** The most memory that the process has held until then. */
  readonly peakMb: number
}

/** The task comes as JSON on the standard input: directories to be read in turn; the outcomes go out as JSON. */
export type DropTask = readonly { readonly directory: string; readonly format: FileSourceManifest['format'] }[]

// What the connectors of the product state.
const limits = { pageBytes: 8_388_608, pages: 1000 }

async function readAll({ directory, format }: DropTask[number]): Promise<number> {
  const drop = { kind: 'file', directory, pattern: '*', marker: { suffix: '.ok' }, pageSize: 500 } as const
  const source = openFileSource({ manifest: { ...drop, format }, limits, secrets: {}, egress: createEgressGuard([]) })
  let rows = 0
  try {
    for (let page = await source.readPage(null, new Date()); !page.done;) {
      rows += page.rows.length
      page = await source.readPage(page.cursor, new Date())
    }
    return rows
  } finally {
    await source.close()
  }
}

const outcomes: DropOutcome[] = []
for (const drop of JSON.parse(await text(process.stdin)) as DropTask) {
  const before = process.cpuUsage()
  const told = await readAll(drop).then(
    (rows) => ({ code: null, detail: `${rows} rows` }),
    (error: unknown) => ({
      code: error instanceof AppError ? error.code : 'uncoded',
      detail: error instanceof AppError ? error.detail : String(error),
    }),
  )
  const { user, system } = process.cpuUsage(before)
  outcomes.push({ ...told, milliseconds: (user + system) / 1000, peakMb: readPeakMb() })
}
process.stdout.write(JSON.stringify(outcomes))
