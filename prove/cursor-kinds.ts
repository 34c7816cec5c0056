import type { Paging } from '../src/feeds/manifest-types.ts'
import { openFileWorld } from './cursor-file.ts'
import { httpKinds, openHttpWorld } from './cursor-http.ts'
import type { ManifestChange } from './cursor-manifest.ts'
import { isMariadbInstalled } from '../test/support/mariadb-server.ts'
import { startMariadb } from './cursor-mariadb.ts'
import { openPushWorld, startPushServer } from './cursor-push.ts'
import { startPostgres } from './cursor-postgres.ts'
import type { Product } from './cursor-product.ts'
import { openSqlWorld, type SqlServer } from './cursor-sql.ts'
import type { World } from './cursor-world.ts'
import type { Random } from './random.ts'

/** What is played: the product as it is or changed, with the manifest as it should be or changed. */
export interface Cast {
  readonly product: Product
  readonly change: ManifestChange
}

export interface Stage {
  readonly openWorld: (random: Random, cast: Cast) => Promise<World>
  readonly close: () => Promise<void>
}

/** One kind of reading: what it needs once for all schedules, and how many are played side by side. */
export interface Kind {
  readonly openStage: () => Promise<Stage>
  /** Schedules in simulated time keep one core busy; those in real time mostly wait. */
  readonly sideBySide: number
}

const httpKind = (kind: Paging['kind']): Kind => ({
  openStage: async () => ({
    openWorld: (random, { product, change }) => openHttpWorld({ kind, product, random, change }),
    close: async () => undefined,
  }),
  sideBySide: 1,
})

const sqlKind = (start: () => Promise<SqlServer>): Kind => ({
  openStage: async () => {
    const server = await start()
    return {
      openWorld: (random, { product, change }) => openSqlWorld({ server, product, random, change }),
      close: server.close,
    }
  },
  sideBySide: 8,
})

const pushKind: Kind = {
  openStage: async () => {
    const server = await startPushServer()
    return { openWorld: (random, { product }) => openPushWorld(server, product, random), close: server.close }
  },
  sideBySide: 4,
}

const fileKind: Kind = {
  openStage: async () => ({
    openWorld: (random, { product }) => openFileWorld(product, random),
    close: async () => undefined,
  }),
  sideBySide: 1,
}

/** Every kind of reading, by the name that the verdict gives it. */
export const kinds: Readonly<Record<string, Kind>> = {
  ...Object.fromEntries(
    (Object.keys(httpKinds) as Paging['kind'][]).map((kind): readonly [string, Kind] => [
      `http ${kind}`,
      httpKind(kind),
    ]),
  ),
  'sql keyset, PostgreSQL': sqlKind(() => startPostgres('keyset')),
  'sql exchange, PostgreSQL': sqlKind(() => startPostgres('exchange')),
  ...(isMariadbInstalled() ? { 'sql keyset, MariaDB': sqlKind(startMariadb) } : {}),
  push: pushKind,
  file: fileKind,
}
