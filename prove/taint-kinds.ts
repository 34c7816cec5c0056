/**
 * Where a clear value could come to rest or leave, by kind. Each kind has a planted leak that must be
 * found. A heap is none of them: whoever opens a value holds it in memory, so a core file cannot be clean, and none is written.
 */
export const sinkKinds = [
  // What the database answers.
  'product tables',
  'audit bodies',
  'audit columns',
  'queue tables',
  'queue events',
  'catalogue',
  'plain dump',
  'statement activity',
  'statement statistics',
  // What its server writes.
  'table files',
  'index files',
  'other server files',
  'write-ahead log',
  'server log',
  'statement log',
  'query plans',
  // What processes show.
  'standard output',
  'application log',
  'access log',
  'crash output',
  'process environment',
  'process arguments',
  'command output',
  'command errors',
  // What the API answers.
  'http answers',
  'answer headers',
  'file names',
  'problem answers',
  'metrics',
  'health answers',
  'documentation',
  'masked rows',
  'alerts',
  'oversight',
  'audit reports',
  'reveal papers',
  'incident papers',
  'freeze answers',
  'checkpoints',
  // What leaves.
  'deliveries',
  'delivery headers',
  'receiver files',
  'export files',
  'witness traffic',
  // What lies in files.
  'evidence packages',
  'audit archives',
  'report files',
  'product files',
  'temporary files',
  'queue server files',
  'queue server commands',
] as const
export type SinkKind = (typeof sinkKinds)[number]

/** Kinds that are there only where a Redis is installed. */
export const redisKinds: ReadonlySet<SinkKind> = new Set(['queue server files', 'queue server commands'])

export interface Sink {
  readonly kind: SinkKind
  /** Where exactly: table and column, file, process, question. */
  readonly place: string
  readonly bytes: Uint8Array
}

/** One line of a process's standard error, by who wrote it. */
export function kindOfLogLine(line: string): SinkKind {
  if (!line.startsWith('{')) return 'crash output'
  return /"code":"REQUEST_(?:BEGUN|ANSWERED|FAILED)"/.test(line) ? 'access log' : 'application log'
}

/** One entry of PostgreSQL's log: its statements and plans are there only because they were asked for. */
export function kindOfServerEntry(entry: string): SinkKind {
  if (/^[^\n]* LOG: {2}duration: [\d.]+ ms {2}plan:/.test(entry)) return 'query plans'
  return /^[^\n]* LOG: {2}(?:statement|execute|duration|parse|bind)\b/.test(entry) ? 'statement log' : 'server log'
}
