import { randomBytes } from 'node:crypto'
import type { CityOptions, Pass } from '../city/options.ts'
import { announce, readWhole, serve, stopOnSignal } from './serve.ts'
import type { Handle, Reply, Request } from './serve.ts'

/** What one feed needs beside its manifest, in the words of `feed add`. */
export interface FeedFacts {
  readonly manifest: string
  /** Secrets by the names the manifest uses. */
  readonly secrets: Readonly<Record<string, string>>
  /** Values to set in the manifest, by JSON pointer. */
  readonly set: Readonly<Record<string, string | number>>
}

/** Options that every department process takes. */
export const departmentOptions = {
  residents: { type: 'string' },
  seed: { type: 'string' },
  port: { type: 'string' },
  /** Where a department that keeps files keeps them. */
  data: { type: 'string', default: 'data/departments' },
  /** The PostgreSQL server where a department that keeps a database makes it. */
  'database-url': { type: 'string' },
  clean: { type: 'boolean', default: false },
} as const

interface DepartmentValues {
  readonly residents?: string | undefined
  readonly seed?: string | undefined
  readonly clean: boolean
}

/** The city that the options of a department process name; 20,000 residents of seed 1 by default. */
export function readCityOptions(values: DepartmentValues): CityOptions {
  return {
    residents: readWhole(values.residents, 'residents', 20_000),
    seed: readWhole(values.seed, 'seed', 1),
    clean: values.clean,
  }
}

/** A credential given as an option, or a new one for this process alone. */
export function takeCredential(given: string | undefined): string {
  return given ?? randomBytes(24).toString('base64url')
}

/** The server for a department that keeps a database. Throws RangeError where none was given. */
export function requireServer(url: string | undefined): string {
  if (url === undefined) throw new RangeError('--database-url: the address of a PostgreSQL server is wanted')
  return url
}

function readPass(body: Buffer): Pass | null {
  try {
    const value: { readonly pass?: unknown } | null = JSON.parse(body.toString('utf8'))
    return value?.pass === 1 || value?.pass === 2 ? value.pass : null
  } catch {
    return null
  }
}

/** POST /_control/pass {"pass": 2}: takes the department to pass two, once. Answers the pass it stands at. */
function controlPass(enterSecond: () => Promise<void>): (request: Request) => Promise<Reply> {
  let pass: Pass = 1
  let moving: Promise<void> | null = null
  return async ({ body }) => {
    const wanted = readPass(body)
    if (wanted === null || wanted < pass)
      return { status: 400, body: { error: 'pass 2 is wanted, and there is no way back' } }
    if (wanted === 2) {
      moving ??= enterSecond()
      await moving
      pass = 2
    }
    return { status: 200, body: { pass } }
  }
}

/** Answers 404 where no route is. Routes are named by method and path. */
function routeBy(routes: Readonly<Record<string, Handle>>): Handle {
  return (request) => {
    const name = `${request.method} ${request.path}`
    const route = Object.hasOwn(routes, name) ? routes[name] : undefined
    return route === undefined ? { status: 404, body: { error: 'unknown address' } } : route(request)
  }
}

/** A department system as one process. */
interface DepartmentSystem {
  /** Its folder in connectors/. */
  readonly folder: string
  readonly port: string | undefined
  readonly routes?: Readonly<Record<string, Handle>>
  /** Takes everything it keeps to pass two. */
  readonly change: () => Promise<void> | void
  /** Its feeds by their codes, once the address is known. `file` is the manifest's name in the folder. */
  readonly feeds: (url: string) => Readonly<Record<string, Omit<FeedFacts, 'manifest'> & { readonly file: string }>>
  readonly stop?: () => Promise<void>
  /** What else it tells in its first line. */
  readonly facts?: Readonly<Record<string, unknown>>
}

/** Serves a department until it is told to stop, and tells where and with which credentials it can be read. */
export async function openDepartment(system: DepartmentSystem): Promise<void> {
  const enterSecond = controlPass(async () => {
    await system.change()
  })
  const { server, url } = await serve(
    readWhole(system.port, 'port', 0),
    routeBy({ ...system.routes, 'POST /_control/pass': enterSecond }),
  )
  stopOnSignal(server, system.stop)
  const feeds = Object.entries(system.feeds(url)).map(([code, { file, secrets, set }]) => {
    return [code, { manifest: `connectors/${system.folder}/${file}.json`, secrets, set }] as const
  })
  announce({ listening: url, feeds: Object.fromEntries(feeds), ...system.facts })
}
