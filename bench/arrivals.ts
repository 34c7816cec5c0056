import pg from 'pg'

/** How long each of `count` works took, in milliseconds from when it was due, begun evenly whether or not the ones before have ended. */
export async function timeArrivals(
  perSecond: number,
  count: number,
  work: (place: number) => Promise<unknown>,
): Promise<readonly number[]> {
  const startedAt = performance.now()
  const begin = async (place: number): Promise<number> => {
    const dueAt = startedAt + (place * 1000) / perSecond
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - performance.now())))
    await work(place)
    return performance.now() - dueAt
  }
  return Promise.all(Array.from({ length: count }, (_, place) => begin(place)))
}

/** A bare commit of one small row: no audit entry is lasting sooner, and a disk that stalls shows here as well. */
export async function openCommits(url: string): Promise<{
  readonly commit: () => Promise<unknown>
  readonly close: () => Promise<void>
}> {
  const pool = new pg.Pool({ connectionString: url, max: 8 })
  await pool.query('create table commit_floor (place serial primary key)')
  await Promise.all(Array.from({ length: 8 }, () => pool.query('select pg_sleep(0.1)')))
  return {
    commit: () => pool.query('insert into commit_floor default values'),
    close: async () => {
      await pool.query('drop table commit_floor')
      await pool.end()
    },
  }
}
