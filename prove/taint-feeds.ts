import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { addFeed } from '../src/commands.ts'
import type { CanaryDepartment } from './taint-department.ts'
import { distresses } from './taint-department.ts'
import { dropDamagedFile, dropEntities, openHouseTable } from './taint-registers.ts'
import type { Stage } from './taint-stage.ts'

/** A feed to register, and what its run must come to: a reason of the error table, or null when it must reach its end. */
export interface PlannedFeed {
  readonly code: string
  readonly manifest: string
  readonly set: Readonly<Record<string, string | number>>
  readonly secret: Readonly<Record<string, string>>
  readonly reason: string | null
}

const manifests = {
  resident: 'connectors/public-security/resident.json',
  housing: 'connectors/natural-resources/housing.json',
  entity: 'connectors/market-supervision/entity.json',
} as const

const distressed = (name: string): string => `LZ-TAINT-${name.toUpperCase()}`
export const RESIDENT_FEED = 'LZ-GA-RK-001'

export function planResidents({ url, appKey, appSecret }: CanaryDepartment): PlannedFeed {
  return {
    code: RESIDENT_FEED,
    manifest: manifests.resident,
    set: { '/source/baseUrl': url },
    secret: { appKey, appSecret },
    reason: null,
  }
}

/** Every way of failing over HTTP, each as a feed of its own, and one with a secret that is not the right one. */
function planDistresses(department: CanaryDepartment, wrongSecret: string): readonly PlannedFeed[] {
  const { url, appKey, appSecret } = department
  const failing = Object.entries(distresses).map(([name, { reason }]) => ({
    code: distressed(name),
    manifest: manifests.resident,
    set: {
      '/feed/code': distressed(name),
      '/source/baseUrl': `${url}/${name}`,
      '/quality/errorBudget/records': reason === 'ERROR_BUDGET_SPENT' ? 0 : 1000,
    },
    secret: { appKey, appSecret },
    reason,
  }))
  const wrong = {
    code: distressed('secret'),
    manifest: manifests.resident,
    set: { '/feed/code': distressed('secret'), '/source/baseUrl': url },
    secret: { appKey, appSecret: wrongSecret },
    reason: 'SOURCE_REFUSED',
  }
  return [...failing, wrong]
}

interface RegisterSizes {
  readonly houses: number
  readonly entities: number
}

/** The sources that are no HTTP: a table and dropped files, each once well and once not. */
async function planRegisters(stage: Stage, { houses, entities }: RegisterSizes): Promise<readonly PlannedFeed[]> {
  const { book, directories } = stage
  const table = await openHouseTable(path.join(directories.outside, 'register'), book, houses)
  stage.onClose(table.close)
  const [drop, damaged] = [path.join(directories.outside, 'drop'), path.join(directories.outside, 'damaged')]
  dropEntities(drop, book, entities)
  dropDamagedFile(damaged, book)
  const wrong = { '/feed/code': distressed('password') }
  return [
    {
      code: 'LZ-ZR-FW-001',
      manifest: manifests.housing,
      set: table.set,
      secret: { password: table.password },
      reason: null,
    },
    {
      code: distressed('password'),
      manifest: manifests.housing,
      set: { ...table.set, ...wrong },
      secret: { password: book.take().phone },
      reason: 'SOURCE_REFUSED',
    },
    { code: 'LZ-SC-DW-001', manifest: manifests.entity, set: { '/source/directory': drop }, secret: {}, reason: null },
    {
      code: distressed('file'),
      manifest: manifests.entity,
      set: { '/feed/code': distressed('file'), '/source/directory': damaged },
      secret: {},
      reason: 'SOURCE_FILE_INVALID',
    },
  ]
}

export async function planEverything(
  stage: Stage,
  department: CanaryDepartment,
  sizes: RegisterSizes,
): Promise<readonly PlannedFeed[]> {
  return [...(await planRegisters(stage, sizes)), ...planDistresses(department, stage.book.take().phone)]
}

const assignments = (values: Readonly<Record<string, string | number>>): readonly string[] =>
  Object.entries(values).map(([name, value]) => `${name}=${value}`)
const flags = (flag: string, values: Readonly<Record<string, string | number>>): readonly string[] =>
  assignments(values).flatMap((text) => [flag, text])

/** Registers a feed as an operator does. */
export async function addByCommand(stage: Stage, feed: PlannedFeed): Promise<void> {
  await stage.command(`feed add ${feed.code}`, [
    'src/cli.ts',
    'feed',
    'add',
    feed.manifest,
    ...flags('--set', feed.set),
    ...flags('--secret', feed.secret),
  ])
}

/** Registers many feeds through the same function as the command, without a process for each. */
export async function addFeeds(stage: Stage, feeds: readonly PlannedFeed[]): Promise<void> {
  for (const { manifest, set, secret } of feeds) {
    await addFeed(stage.installation.config, path.join(stage.root, manifest), {
      set: assignments(set),
      secret: assignments(secret),
    })
  }
}

interface RunEnd {
  readonly code: string
  readonly reason: string | null
}

const MOST_WAIT_MS = 60_000

/** Asks for a run of each feed and waits until each has ended or has failed once. Returns what did not come as planned. */
export async function runAll(stage: Stage, feeds: readonly PlannedFeed[]): Promise<readonly string[]> {
  const codes = feeds.map(({ code }) => code)
  await stage
    .owner()
    .query('insert into gridbridge.run (feed_id) select feed_id from gridbridge.feed where code = any($1)', [codes])
  const until = Date.now() + MOST_WAIT_MS
  for (;;) {
    const { rows } = await stage.owner().query<RunEnd>(
      `select code, reason from gridbridge.run join gridbridge.feed using (feed_id)
        where code = any($1) and (reason is not null or run.state in ('done', 'stopped'))`,
      [codes],
    )
    const ends = new Map(rows.map(({ code, reason }) => [code, reason]))
    if (ends.size === codes.length || Date.now() > until) {
      return feeds
        .filter(({ code, reason }) => ends.get(code) !== reason)
        .map(({ code, reason }) => `${code} came to ${ends.get(code) ?? 'nothing'}, not ${reason}`)
    }
    await wait(200)
  }
}

type JsonObject = Record<string, unknown>

/** Manifests that are wrong in many places, with personal numbers as values: what is told of them must not repeat any. */
function wrongManifests(stage: Stage): readonly unknown[] {
  const good = JSON.parse(readFileSync(path.join(stage.root, manifests.resident), 'utf8')) as JsonObject & {
    feed: JsonObject
    source: JsonObject
    map: JsonObject[]
  }
  const person = stage.book.take()
  const misfit = {
    ...good,
    feed: { ...good.feed, code: person.certNumber, updateCycle: person.phone, title: [person.name] },
    source: { ...good.source, baseUrl: person.phone, timeouts: person.certNumber },
    schedule: { cron: person.phone, timezone: Number(person.phone) },
    [person.name]: person.certNumber,
  }
  const mapped = good.map.map((mapping) =>
    mapping['to'] === '/lifeStatus' ? { ...mapping, codes: { 正常: person.certNumber, 死亡: person.phone } } : mapping,
  )
  return [
    misfit,
    { ...good, map: mapped },
    { ...good, schedule: { cron: `${person.phone} * * * *`, timezone: person.certNumber } },
  ]
}

/** Commands that must be refused, with canaries in everything they are given but the names of things. */
export async function giveWrongCommands(stage: Stage): Promise<void> {
  const [person, other] = [stage.book.take(), stage.book.take()]
  const folder = path.join(stage.directories.outside, 'wrong')
  mkdirSync(path.join(folder, 'somebody'), { recursive: true })
  const texts = [
    ...wrongManifests(stage).map((manifest) => JSON.stringify(manifest)),
    `{"feed": "${person.name} ${person.certNumber}`,
  ]
  const files = texts.map((_text, place) => path.join(folder, 'somebody', `${place}.json`))
  for (const [place, text] of texts.entries()) writeFileSync(files[place] ?? '', text)
  const run = (name: string, ...given: readonly string[]): Promise<string> =>
    stage.command(name, ['src/cli.ts', ...given])
  const consumer = [
    'consumer',
    'add',
    'nobody',
    '--datasets',
    'resident',
    '--purpose',
    'LZ-QD-001',
    '--webhook',
  ] as const
  await Promise.all([
    run('check wrong manifests', 'check', folder),
    run('add wrong manifest', 'feed', 'add', files[0] ?? ''),
    run(
      'add with a wrong value',
      'feed',
      'add',
      manifests.resident,
      '--set',
      `/source/baseUrl=${other.certNumber}`,
      '--secret',
      `appKey=${other.phone}`,
    ),
    run('add without a secret', 'feed', 'add', manifests.resident, '--secret', `appKey=${other.certNumber}`),
    run('add with a wrong webhook', ...consumer, other.phone),
  ])
}
