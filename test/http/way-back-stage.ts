import type { FastifyInstance } from 'fastify'
import type { Feed } from '../../src/store/feeds.ts'
import { openTestInstallation, type TestInstallation } from '../support/installation.ts'
import {
  registerConsumer,
  registerFeed,
  residentRows,
  settleChanges,
  storeRows,
  type ConsumerOptions,
} from '../support/ledger.ts'
import { employAll, type Answer, type Office } from '../support/office.ts'
import { bearerOf, openDoor } from './door.ts'

/** A consumer that speaks over HTTP. */
export interface System {
  readonly name: string
  readonly consumerId: number
  readonly get: (path: string) => Promise<Answer>
  readonly post: (path: string, body?: unknown) => Promise<Answer>
}

/** The door with a department of one feed, its people, and consumers. */
export interface WayBackStage {
  readonly installation: TestInstallation
  readonly server: FastifyInstance
  readonly office: Office
  readonly url: string
  /** Every consumer that was connected, by its name. */
  readonly systems: ReadonlyMap<string, System>
  /** A feed with `rows` residents R-1 … */
  readonly openFeed: (rows: number) => Promise<Feed>
  readonly connect: (name: string, options?: ConsumerOptions) => Promise<System>
  readonly settle: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Registers a consumer and lets it get its token, as everybody does. */
async function connectSystem(
  installation: TestInstallation,
  server: FastifyInstance,
  name: string,
  options: ConsumerOptions = {},
): Promise<System> {
  const consumer = await registerConsumer(installation, name, options)
  const authorization = await bearerOf(server, consumer)
  const ask = async (method: 'GET' | 'POST', url: string, body?: unknown): Promise<Answer> => {
    const carried = body === undefined ? {} : { payload: body as object }
    const response = await server.inject({ method, url, headers: { authorization }, ...carried })
    return { status: response.statusCode, headers: new Headers(), body: response.json() }
  }
  return {
    name,
    consumerId: consumer.consumerId,
    get: (path) => ask('GET', path),
    post: (path, body) => ask('POST', path, body),
  }
}

/** Notices and tickets are read below the oldest transaction of the whole server, which the test files share. */
async function settleNotices({ asOwner }: TestInstallation): Promise<void> {
  const [row] = await asOwner<{ xid: string }>('select pg_current_xact_id()::text as xid')
  const isSettled = 'select $1::xid8 < pg_snapshot_xmin(pg_current_snapshot()) as settled'
  while ((await asOwner<{ settled: boolean }>(isSettled, [row?.xid]))[0]?.settled !== true) continue
}

export async function openWayBack(name: string): Promise<WayBackStage> {
  const installation = await openTestInstallation(name)
  const server = await openDoor(installation)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  const office = await employAll(installation, url)
  const systems = new Map<string, System>()
  let feeds = 0
  return {
    installation,
    server,
    office,
    url,
    systems,
    openFeed: async (rows) => {
      feeds += 1
      const feed = await registerFeed(installation, `LZ-GA-RK-${500 + feeds}`)
      await storeRows(installation, feed, residentRows(1, rows))
      return feed
    },
    connect: async (consumer, options) => {
      const system = await connectSystem(installation, server, consumer, options)
      systems.set(consumer, system)
      return system
    },
    settle: async () => {
      await settleChanges(installation)
      await settleNotices(installation)
    },
    close: async () => {
      await server.close()
      await installation.close()
    },
  }
}
