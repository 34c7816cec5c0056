import { randomBytes } from 'node:crypto'
import type { CityOptions, Pass } from '../city/options.ts'
import { readWhole } from './serve.ts'
import type { Reply, Request } from './serve.ts'

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

function readPass(body: Buffer): Pass | null {
  try {
    const value: { readonly pass?: unknown } | null = JSON.parse(body.toString('utf8'))
    return value?.pass === 1 || value?.pass === 2 ? value.pass : null
  } catch {
    return null
  }
}

/** POST /_control/pass {"pass": 2}: takes the department to pass two, once. Answers the pass it stands at. */
export function controlPass(enterSecond: () => Promise<void>): (request: Request) => Promise<Reply> {
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
export function routeBy(
  routes: Readonly<Record<string, (request: Request) => Reply | Promise<Reply>>>,
): (request: Request) => Reply | Promise<Reply> {
  return (request) => {
    const name = `${request.method} ${request.path}`
    const route = Object.hasOwn(routes, name) ? routes[name] : undefined
    return route === undefined ? { status: 404, body: { error: 'unknown address' } } : route(request)
  }
}
