import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { memoryLimits, projectRoot } from '../demo/processes.ts'
import { loadConfig } from '../src/config.ts'
import type { FieldForm } from '../src/feeds/forms.ts'
import { openInstallation } from '../src/installation.ts'
import { findExport, type Export } from '../src/store/exports.ts'
import { askForExport, openParts, strangerRows } from '../test/support/exports.ts'
import type { TestInstallation } from '../test/support/installation.ts'
import { registerConsumer, registerFeed, storeRows } from '../test/support/ledger.ts'
import { createRandom, type Random } from './random.ts'

export interface ExportVerdict {
  readonly ok: boolean
  readonly seed: number
  readonly exports: readonly ExportFigures[]
  /** The most memory that a worker held. */
  readonly peakMb: number
}

/** What one export came to. */
interface ExportFigures {
  readonly name: string
  readonly records: number
  readonly parts: number
  readonly withheld: number
  readonly kills: number
  readonly missing: number
  readonly doubled: number
  readonly seconds: number
}

/** What is asked for: values opened from their seals, and statistics whose classes are counted. */
const wishes: Readonly<Record<string, Readonly<Record<string, FieldForm>>>> = {
  clear: { certNumber: 'token', name: 'clear', phone: 'clear', residenceAddress: 'clear', gridCode: 'mask' },
  statistics: { certNumber: 'token', sex: 'mask', birthDate: 'generalise', gridCode: 'generalise' },
}

const PAGE = 2000
const COMMUNITIES = 400

async function fill(installation: TestInstallation, records: number): Promise<void> {
  const feed = await registerFeed(installation, 'LZ-GA-RK-001')
  for (let first = 1; first <= records; first += PAGE) {
    const rows = strangerRows(first, Math.min(records, first + PAGE - 1), (index) => ({
      wg: { bm: `51050200${String(1000 + (index % COMMUNITIES)).slice(0, 4)}001` },
    }))
    await storeRows(installation, feed, rows)
  }
}

interface Worker {
  readonly child: ChildProcess
  readonly peakMb: () => number
}

function startWorker(environment: Readonly<Record<string, string>>): Worker {
  const child = spawn(process.execPath, [...memoryLimits, 'src/cli.ts', 'start', '--role', 'worker'], {
    cwd: projectRoot,
    env: { ...process.env, ...environment },
    stdio: 'ignore',
  })
  const peakMb = (): number => {
    try {
      const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]
      return Math.round(Number(kilobytes ?? 0) / 1024)
    } catch {
      return 0
    }
  }
  return { child, peakMb }
}

async function end({ child }: Worker, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  child.once('exit', resolve)
  child.kill(signal)
  await promise
}

interface Play {
  readonly installation: TestInstallation
  readonly environment: Readonly<Record<string, string>>
  readonly random: Random
  readonly kills: number
}

const isOver = ({ state }: Export): boolean => state !== 'requested' && state !== 'running'
const made = ({ read, records }: Export): number => read + records

/** Waits until more of the export is made, or it is over. */
async function waitForMore(look: () => Promise<Export>, than: number): Promise<void> {
  for (;;) {
    const found = await look()
    if (isOver(found) || made(found) > than) return
    await wait(50)
  }
}

/** Lets real workers make the export, each killed in the middle but the last. */
async function playExport(play: Play, exportId: number): Promise<{ readonly kills: number; readonly peakMb: number }> {
  const look = (): Promise<Export> => findExport(play.installation.database.query, exportId, null)
  let [worker, kills, peakMb] = [startWorker(play.environment), 0, 0]
  for (let found = await look(); !isOver(found); found = await look()) {
    peakMb = Math.max(peakMb, worker.peakMb())
    if (kills < play.kills && made(found) > 0) {
      await wait(play.random(600))
      await end(worker, 'SIGKILL')
      worker = startWorker(play.environment)
      kills += 1
      // The lease of the dead worker runs out and the next one goes on, before it is killed in turn.
      await waitForMore(look, made(await look()))
    }
    await wait(50)
  }
  await end(worker, 'SIGTERM')
  return { kills, peakMb }
}

async function judge(
  installation: TestInstallation,
  found: Export,
): Promise<readonly [missing: number, doubled: number]> {
  const ids = new Set<string>()
  let lines = 0
  for (const part of await openParts(installation, found.exportId)) {
    lines += part.length
    for (const { id } of part) ids.add(id)
  }
  return [(found.about ?? 0) - found.withheld - ids.size, lines - ids.size]
}

async function proveWish(play: Play, name: string): Promise<readonly [ExportFigures, peakMb: number]> {
  const { consumerId } = await registerConsumer(play.installation, name, { forms: wishes[name] ?? {} })
  const { exportId } = await askForExport(play.installation, consumerId)
  const startedAt = performance.now()
  const { kills, peakMb } = await playExport(play, exportId)
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10
  const found = await findExport(play.installation.database.query, exportId, null)
  const [missing, doubled] = await judge(play.installation, found)
  const { records, parts, withheld } = found
  return [{ name, records, parts, withheld, kills, missing, doubled, seconds }, peakMb]
}

/**
 * Exports a store by real worker processes that are killed with SIGKILL while they make files: every record must be in exactly one file,
 * and no worker may hold more than 400 MB.
 */
export async function proveExport(options: {
  readonly records: number
  readonly kills: number
  readonly seed: number
}): Promise<ExportVerdict> {
  const data = mkdtempSync(path.join(tmpdir(), 'gridbridge-export-'))
  chmodSync(data, 0o711)
  const opened = await openInstallation(loadConfig({ GRIDBRIDGE_DATA: data }), 'prove')
  const { database, databaseUrl } = opened
  const installation = { ...opened, ownerUrl: databaseUrl, asOwner: database.query }
  const environment = {
    DATABASE_URL: databaseUrl,
    GRIDBRIDGE_KEK_FILE: path.join(data, 'keys', 'kek'),
    EXPORT_PERSONS: '1000000000',
  }
  try {
    await fill(installation, options.records)
    const play = { installation, environment, random: createRandom(options.seed), kills: options.kills }
    const figures: (readonly [ExportFigures, number])[] = []
    for (const name of Object.keys(wishes)) figures.push(await proveWish(play, name))
    const exports = figures.map(([one]) => one)
    const peakMb = Math.max(...figures.map(([, peak]) => peak))
    const isProven = (one: ExportFigures): boolean =>
      one.records > 0 && one.missing === 0 && one.doubled === 0 && one.kills === options.kills
    return { ok: exports.every(isProven) && peakMb <= 400, seed: options.seed, exports, peakMb }
  } finally {
    await opened.close()
    rmSync(data, { recursive: true, force: true })
  }
}
