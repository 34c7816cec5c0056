import { createPostgresBackend, Queue, Worker, withBackend } from 'bullmq'
import { Redis } from 'ioredis'
import { AppError } from '../errors.ts'

/** A job carries ids only: its data is stored in clear, in Redis as in PostgreSQL. */
export interface IngestJob {
  readonly runId: number
}

export interface DeliverJob {
  readonly subscriptionId: number
}

export interface ExportJob {
  readonly exportId: number
}

export interface JobQueues {
  readonly backend: 'postgresql' | 'redis'
  /** Enqueues a slice of a run. The lease epoch is in the job id, so the same slice is queued once. */
  readonly enqueueRun: (run: { readonly runId: number; readonly epoch: number }, delayMs?: number) => Promise<void>
  readonly enqueueDelivery: (
    subscription: { readonly subscriptionId: number; readonly epoch: number },
    delayMs?: number,
  ) => Promise<void>
  readonly enqueueExport: (
    slice: { readonly exportId: number; readonly epoch: number },
    delayMs?: number,
  ) => Promise<void>
  readonly openWorkers: (handlers: JobHandlers) => JobWorkers
  readonly close: () => Promise<void>
}

export interface JobHandlers {
  readonly ingest: (job: IngestJob) => Promise<void>
  readonly deliver: (job: DeliverJob) => Promise<void>
  readonly export: (job: ExportJob) => Promise<void>
}

export interface JobWorkers {
  readonly close: () => Promise<void>
}

/**
 * The ledger decides what is retried and how often; BullMQ's own count must never end a run (with its default of one stall,
 * 4 of 600 batches were lost under kill -9, with 50 none). A short blocking time-out bounds a lost NOTIFY to one second.
 */
const workerOptions = {
  lockDuration: 15_000,
  stalledInterval: 5000,
  maxStalledCount: 50,
  blockingTimeout: 1000,
  removeOnComplete: { count: 0 },
  removeOnFail: { count: 0 },
} as const

const INGEST_AT_ONCE = 2
const DELIVER_AT_ONCE = 6
/** A part takes some 60 MB while it is made, and nobody waits for it in front of a screen. */
const EXPORT_AT_ONCE = 1

const jobOptions = (jobId: string, delayMs: number) =>
  ({ jobId, delay: Math.round(delayMs), removeOnComplete: true, removeOnFail: true, attempts: 1 }) as const

/** What both backends offer of BullMQ, so that everything below is written once. */
interface Classes {
  readonly backend: 'postgresql' | 'redis'
  readonly openQueue: <Data>(name: string) => Queue<Data>
  readonly openWorker: <Data>(name: string, run: (data: Data) => Promise<void>, concurrency: number) => Worker<Data>
  readonly close: () => Promise<void>
}

const prefix = 'gridbridge'

function postgresClasses(url: string): Classes {
  const bound = withBackend(createPostgresBackend)
  const connection = {
    connectionString: url,
    schema: 'bullmq',
    options: '-c role=gridbridge_app',
    keepAlive: true,
    connectionTimeoutMillis: 3000,
    statement_timeout: 4000,
    query_timeout: 5000,
    max: 6,
  }
  return {
    backend: 'postgresql',
    openQueue: <Data>(name: string) =>
      new bound.Queue(name, { connection: { ...connection, max: 3 } }) as unknown as Queue<Data>,
    openWorker: <Data>(name: string, run: (data: Data) => Promise<void>, concurrency: number) =>
      new bound.Worker(name, async (job) => run(job.data as Data), {
        connection,
        concurrency,
        ...workerOptions,
      }) as unknown as Worker<Data>,
    close: () => Promise.resolve(),
  }
}

function redisClasses(url: string): Classes {
  const producer = new Redis(url, { maxRetriesPerRequest: 1, enableOfflineQueue: false, lazyConnect: true })
  const consumer = new Redis(url, { maxRetriesPerRequest: null, lazyConnect: true })
  for (const connection of [producer, consumer]) connection.on('error', () => undefined)
  return {
    backend: 'redis',
    openQueue: <Data>(name: string) => new Queue<Data>(name, { connection: producer, prefix }),
    openWorker: <Data>(name: string, run: (data: Data) => Promise<void>, concurrency: number) =>
      new Worker<Data>(name, (job) => run(job.data), { connection: consumer, prefix, concurrency, ...workerOptions }),
    close: async () => {
      await Promise.allSettled([producer.quit(), consumer.quit()])
    },
  }
}

/** A Redis that evicts keys drops jobs: BullMQ's documentation allows `noeviction` only. Throws QUEUE_UNSAFE. */
export async function assertRedisKeepsJobs(url: string): Promise<void> {
  const connection = new Redis(url, {
    maxRetriesPerRequest: 1,
    lazyConnect: true,
    connectTimeout: 3000,
    retryStrategy: () => null,
  })
  connection.on('error', () => undefined)
  try {
    await connection.connect()
    const [, policy] = await connection.config('GET', 'maxmemory-policy')
    if (policy !== undefined && policy !== 'noeviction') {
      throw new AppError('QUEUE_UNSAFE', `maxmemory-policy is ${policy}; set it to noeviction`)
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('QUEUE_UNSAFE', 'the Redis server at REDIS_URL does not answer', { cause: error })
  } finally {
    connection.disconnect()
  }
}

/**
 * The queues, on Redis when a URL is given and else on PostgreSQL. Losing them loses nothing: the reconciler enqueues
 * again whatever the ledger says is due. `onError` hears of connection faults; without a listener one would end the process.
 */
export function openQueues(databaseUrl: string, redisUrl: string | null, onError: (error: Error) => void): JobQueues {
  const classes = redisUrl === null ? postgresClasses(databaseUrl) : redisClasses(redisUrl)
  const ingest = classes.openQueue<IngestJob>('ingest')
  const deliver = classes.openQueue<DeliverJob>('deliver')
  const exports = classes.openQueue<ExportJob>('export')
  for (const queue of [ingest, deliver, exports]) queue.on('error', onError)
  return {
    backend: classes.backend,
    enqueueRun: async ({ runId, epoch }, delayMs = 0) => {
      await ingest.add('ingest', { runId }, jobOptions(`run-${runId}-${epoch}`, delayMs))
    },
    enqueueDelivery: async ({ subscriptionId, epoch }, delayMs = 0) => {
      await deliver.add('deliver', { subscriptionId }, jobOptions(`subscription-${subscriptionId}-${epoch}`, delayMs))
    },
    enqueueExport: async ({ exportId, epoch }, delayMs = 0) => {
      await exports.add('export', { exportId }, jobOptions(`export-${exportId}-${epoch}`, delayMs))
    },
    openWorkers: (handlers) => {
      const workers = [
        classes.openWorker<IngestJob>('ingest', handlers.ingest, INGEST_AT_ONCE),
        classes.openWorker<DeliverJob>('deliver', handlers.deliver, DELIVER_AT_ONCE),
        classes.openWorker<ExportJob>('export', handlers.export, EXPORT_AT_ONCE),
      ]
      for (const worker of workers) worker.on('error', onError)
      return { close: async () => void (await Promise.all(workers.map((worker) => worker.close()))) }
    },
    close: async () => {
      await Promise.allSettled([ingest.close(), deliver.close(), exports.close()])
      await classes.close()
    },
  }
}
