import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** An empty folder that goes away with the test that made it. */
export function makeFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), `gridbridge-${prefix}`))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
